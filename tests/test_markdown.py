"""The images of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imgfetch import find_images
from imgfetch.model.document import Document
from imgfetch.readers.documents import each_image
from measuring import cpu_seconds

if TYPE_CHECKING:
    from imgfetch.model.markup import SourceSet

BASE = "https://a.test/d/"


def written(image: SourceSet) -> str:
    text = ", ".join(f"{c.url} {c.width}w" if c.width else c.url for c in image.candidates)
    return f"{image.kind}: {text}".replace("https://a.test/d/", "")


def check(text: str, *expected: str) -> None:
    found = find_images(text, base_url=BASE, media_type="text/markdown")
    assert [written(image) for image in found if image.candidates] == [*expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("![a](a.png)", ["img: a.png"]),
        ('![a *b*](<a b.png> "title")', ["img: a%20b.png"]),
        ("![a][r] ![r][] ![r]\n\n[r]: r.png 'title'", ["img: r.png"] * 3),
        ("[not]: a.png", []),
        ("![a](a.png)\n\n<img src=b.png>", ["img: a.png", "img: b.png"]),
        ("<picture>\n<source srcset='a.webp 1x'>\n<img src=b.png>\n</picture>", ["picture: b.png"]),
        ("text <picture><source srcset=a.webp><img src=b.png></picture>", ["picture: b.png"]),
        ("> - ![a](a.png)\n\n1. text\n\n   ![b](b.png)", ["img: a.png", "img: b.png"]),
        ("| a | b |\n|---|---|\n| ![a](a.png) | ![b](b.png) |", ["img: a.png", "img: b.png"]),
        ("`![a](a.png)`\n\n    ![b](b.png)\n\n```\n![c](c.png)\n```", []),
        (r"\![a](a.png) ![b](b.png)", ["img: b.png"]),
        ("# ![a](a.png)\n\nTitle ![b](b.png)\n=====", ["img: a.png", "img: b.png"]),
        ("![a](a.png?b=1&amp;c=2)", ["img: a.png?b=1&c=2"]),
        ("![[a b.png|300]] ![[note]]", ["img: a%20b.png"]),
        ("---\ntitle: A\nimage: c.png\n---\n![a](a.png)", ["meta: c.png", "img: a.png"]),
        ('+++\ncover = "/c.png"\n+++\n![a](a.png)', ["meta: https://a.test/c.png", "img: a.png"]),
        ("---\nimages:\n  - c.png\n  - d.png\nurl: e.html\n---\n", ["meta: c.png", "meta: d.png"]),
        ("See /a.webp 480w, /b.webp 960w", ["text: https://a.test/a.webp 480w, https://a.test/b.webp 960w"]),
    ],
)  # fmt: skip
def test_images_of_every_form_are_found(text: str, expected: list[str]) -> None:
    check(text, *expected)
    check(text.replace("\n", "\r\n"), *expected)


def test_an_image_has_its_description() -> None:
    (image,) = find_images('![a *b* "c"](a.png)', media_type="text/markdown")
    assert image.alt == 'a b "c"'


def test_a_problem_has_the_line_of_its_block() -> None:
    text = "---\na: b\n---\n\ntext\n\ntext\n<img srcset='a.png 4q, b.png 2x'>"
    (image,) = find_images(text, media_type="text/markdown")
    assert image.problems[0].line == 7


@pytest.mark.parametrize(
    "part",
    ["![", "[", "](", "![a](", "[a](<", "`a", "*a", "> ", "- ", "<a ", "[a]: b\n", "![[", "<!--", "a\n"],
)
def test_hostile_markdown_takes_linear_time(part: str) -> None:
    document = Document(part * (400_000 // len(part)), "text/markdown")
    assert cpu_seconds(lambda: [*each_image(document)]) < 20


def test_what_is_nested_too_deep_is_said() -> None:
    (only,) = find_images("> " * 200 + "![a](a.png)", media_type="text/markdown")
    assert only.problems[0].reason == "more than 100 quotes and lists inside each other"
