# ruff: noqa: E501 (texts, as they stand in files)
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("![a](a.png =300x200) ![b](b.png =300x) ![c](c.png =50% 'title')", ["a.png", "b.png", "c.png"]),
        ("![a](My%20page/Untitled 1.png) ![b](b c.png \"title\") ![c](not an image)", ["My%20page/Untitled%201.png", "b%20c.png"]),
        ("`![a](a b.png)` ![c](a, b.png)", ["a,%20b.png"]),
        ('{{< figure src="/f.jpg" alt="F" >}}\n{% image "src/x.jpg", "alt" %}\n\n{{% img g.png %}}', ["https://a.test/f.jpg", "src/x.jpg", "g.png"]),
        ("{% include figure image_path='/a.jpg' %}\n\n{% if page.image %}\n\n`{{< figure src=a.png >}}`", ["https://a.test/a.jpg"]),
        ("![a]({{ site.baseurl }}/a.png) ![b]({{ '/b.png' | relative_url }}) ![c]({static}/c.png)", ["https://a.test/a.png", "https://a.test/b.png", "https://a.test/c.png"]),
        ('<figure markdown="span">\n  ![a](a.png){ width="300" }\n</figure>', ["a.png"]),
        ('<div class="x" markdown>\n![a](a.png) <img src=b.png>\n</div>', ["a.png", "b.png"]),
        ('<div markdown="0">\n![a](a.png)\n</div>\n\n<figure>\n![b](b.png)\n</figure>', []),
        ("---\ncover: &a\n  src: c.png # old.png\n  url: d.png\n# image: e.png\nurl: f.png\n---\n", ["c.png", "d.png"]),
        ("---\nheader: {teaser: /t.jpg, image: b.png}\nimages: [c.png, 'd.png']\n---\n", ["https://a.test/t.jpg", "b.png", "c.png", "d.png"]),
        ('+++\nimages = ["/t1.jpg", "t2.jpg"]\n[cover]\nsrc = "c.png"\n[params]\nurl = "d.png"\n+++\n', ["https://a.test/t1.jpg", "t2.jpg", "c.png"]),
    ],
)  # fmt: skip
def test_images_of_dialects_are_found(text: str, expected: list[str]) -> None:
    found = find_images(text, base_url=BASE, media_type="text/markdown")
    assert [each.url.removeprefix(BASE) for image in found for each in image.candidates] == expected


def test_mdx_has_images_in_tags_and_expressions() -> None:
    text = """import Img from './i.png'
export const x = {src: 'no.png'}

<Image src="/a.png" alt="x" width={100} />
<img src={require('./b.png').default} alt="r"/>
<img src={useBaseUrl('/c.png')} />
![d](d.png)
<img src={Img.src} style={{width: 1}} /> <img src={unknown} />
"""
    found = each_image(Document(text, name="a.mdx", base_url=BASE))
    assert [each.url.removeprefix("https://a.test/") for image in found for each in image.candidates] == [
        "a.png",
        "d/b.png",
        "c.png",
        "d/d.png",
        "d/i.png",
    ]


def test_an_image_has_its_description() -> None:
    (image,) = find_images('![a *b* "c"](a.png)', media_type="text/markdown")
    assert image.alt == 'a b "c"'


def test_a_problem_has_the_line_of_its_block() -> None:
    text = "---\na: b\n---\n\ntext\n\ntext\n<img srcset='a.png 4q, b.png 2x'>"
    (image,) = find_images(text, media_type="text/markdown")
    assert image.problems[0].line == 7


@pytest.mark.parametrize(
    "part",
    [
        "![",
        "[",
        "](",
        "![a](",
        "[a](<",
        "`a",
        "*a",
        "> ",
        "- ",
        "<a ",
        "[a]: b\n",
        "![[",
        "<!--",
        "a\n",
        "![a](a b ",
        "![a](a  =",
        "{{< ",
        "{% a",
        "{{'",
        "<a markdown\n",
    ],
)
def test_hostile_markdown_takes_linear_time(part: str) -> None:
    document = Document(part * (400_000 // len(part)), "text/markdown")
    assert cpu_seconds(lambda: [*each_image(document)]) < 20


@pytest.mark.parametrize("part", ["={", "={{a}", "={'a", "import a from '", "<a b={'a.png'} "])
def test_hostile_mdx_takes_linear_time(part: str) -> None:
    document = Document(part * (400_000 // len(part)), name="a.mdx")
    assert cpu_seconds(lambda: [*each_image(document)]) < 20


@pytest.mark.parametrize("part", ["a", "a ", "a-", "'", '"a', "a:", "a: ", "[", "- ", "#", " #"])
def test_hostile_front_matter_takes_linear_time(part: str) -> None:
    document = Document(f"---\n{part * (1_000_000 // len(part))}\n---\n", "text/markdown")
    assert cpu_seconds(lambda: [*each_image(document)]) < 20


def test_what_is_nested_too_deep_is_said() -> None:
    (only,) = find_images("> " * 200 + "![a](a.png)", media_type="text/markdown")
    assert only.problems[0].reason == "more than 100 quotes and lists inside each other"
