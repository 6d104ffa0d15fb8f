# ruff: noqa: E501 (data, as it stands in files)
"""The images of JSON: answers of interfaces, exports, feeds, rows, manifests."""

from __future__ import annotations

import json
from base64 import encodebytes
from typing import TYPE_CHECKING

import pytest

from imgfetch import choose, find_images
from imgfetch.markup import data_urls
from imgfetch.model.document import Document
from imgfetch.readers.documents import each_image
from imgfetch.rules.image.icons import icons_as_one
from measuring import cpu_seconds
from pictures import encoded

if TYPE_CHECKING:
    from imgfetch.model.markup import SourceSet

BASE = "https://a.test/d/data.json"


def written(image: SourceSet) -> str:
    text = ", ".join(f"{c.url} {c.width}w" if c.width else c.url for c in image.candidates)
    return f"{image.kind}: {text}".replace("https://a.test/d/", "")


def check(value: object, *expected: str, base_url: str = BASE, media_type: str = "application/json") -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    found = find_images(text, base_url=base_url, media_type=media_type)
    assert [written(image) for image in found if image.candidates] == [*expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["https://b.test/a.png"], ["data: https://b.test/a.png"]),
        ([{"image": "a.png"}, {"image": "b.png"}], ["data: a.png", "data: b.png"]),
        ({"a": "./a.png", "b": "a.png", "c": "not a.png"}, ["data: a.png"]),
        ({"image": "https://b.test/p?1", "page": "https://b.test/p?2"}, ["data: https://b.test/p?1"]),
        ({"coverImageUrl": "https://b.test/p", "imagePage": "https://b.test/q"}, ["data: https://b.test/p"]),
        ({"files": ["./img/*.png", "/img/%s.png", "/i/:id.jpg"], "a": "/img/M*A*S*H.png"}, ["data: https://a.test/img/M*A*S*H.png"]),
        (["https://h.test/sharer.php?u=https://b.test/a.png", "https://h.test/share/a.png"], ["data: https://h.test/share/a.png"]),
        ({"image": "https://b.test/p.html", "photo": "none", "thumb": ""}, []),
        ({"images": ["https://b.test/1", "https://b.test/2"]}, ["data: https://b.test/1", "data: https://b.test/2"]),
        ({"images": [{"src": "/a.png", "width": 300}, {"src": "/b.png", "width": 600}]}, ["data: https://a.test/a.png 300w", "data: https://a.test/b.png 600w"]),
        ({"url": "https://b.test/p", "mime_type": "image/png"}, ["data: https://b.test/p"]),
        ({"url": "https://b.test/p", "mime_type": "audio/mpeg"}, []),
        ({"text": "a.webp 480w, b.webp 960w"}, ["text: a.webp 480w, b.webp 960w"]),
        ({"text": "<p><img src='a.png'></p>"}, ["img: a.png"]),
        ({"text": "A ![note](a.png)"}, ["img: a.png"]),
        ({"text": json.dumps({"src": "/a.png"})}, ["data: https://a.test/a.png"]),
        ({"logo": "/a.svg", "user": {"avatar_url": "https://b.test/u/1"}}, ["icon: https://a.test/a.svg", "icon: https://b.test/u/1"]),
        ({"a": "/a.png", "b": "/a.png", "c": {"d": "/a.png"}}, ["data: https://a.test/a.png"]),
        ({"icon": "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP8"}, ["icon: data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP8"]),
    ],
)  # fmt: skip
def test_strings_name_images(value: object, expected: list[str]) -> None:
    check(value, *expected)


def test_a_list_under_the_name_of_an_image_is_images_of_their_own() -> None:
    check(
        {"images": "https://b.test/a.jpg, https://b.test/b.jpg"},
        "data: https://b.test/a.jpg",
        "data: https://b.test/b.jpg",
    )
    check({"image": "a.jpg|b.jpg"}, "data: a.jpg", "data: b.jpg")
    check({"image": "https://b.test/w_1,h_2/a.jpg"}, "data: https://b.test/w_1,h_2/a.jpg")
    check({"image": "The cup, and b.jpg"})


def test_images_in_base64_are_images() -> None:
    picture = encoded("png", 9, 9)
    written = encodebytes(picture).decode()
    cells = [{"outputs": [{"data": {"image/png": written, "text/plain": "<Figure>"}}]}]
    (found,) = find_images(json.dumps({"cells": cells}), media_type="application/json")
    assert data_urls.read(found.candidates[0].url) == ("image/png", picture)
    check({"image": "/9j/" + "x.y/" * 20, "key": "iVBORw0KGgo" + "!" * 80, "id": "R0lGODlh"})


def test_escapes_are_undone() -> None:
    check(
        r'{"a":"<img src=\"https:\/\/b.test\/a.png?b=1&amp;c=2\">","b":"\u002fb.png"}',
        "img: https://b.test/a.png?b=1&c=2",
        "data: https://a.test/b.png",
    )


def test_sizes_of_one_image_are_its_candidates() -> None:
    sizes = {
        "medium": {
            "file": "a-300.jpg",
            "width": 300,
            "height": 200,
            "source_url": "https://b.test/a-300.jpg",
        },
        "full": {"width": 2000, "source_url": "https://b.test/a.jpg"},
    }
    media = {
        "guid": {"rendered": "https://b.test/a.jpg"},
        "alt_text": "Harbour",
        "media_details": {"width": 2000, "height": 1000, "file": "2020/a.jpg", "sizes": sizes},
        "source_url": "https://b.test/a.jpg",
    }
    check([media], "data: https://b.test/a.jpg 2000w, https://b.test/a-300.jpg 300w")
    assert find_images(json.dumps(media), media_type="application/json")[0].alt == "Harbour"
    thumbnails = {
        "default": {"url": "https://b.test/1", "width": 120},
        "high": {"url": "https://b.test/2", "width": 480},
    }
    for each in thumbnails.values():
        each["type"] = "image/jpeg"
    check({"snippet": {"thumbnails": thumbnails}}, "data: https://b.test/1 120w, https://b.test/2 480w")
    formats = {"small": {"url": "/s_a.jpg", "width": 500}}
    check(
        {"url": "/a.jpg", "width": 900, "formats": formats},
        "data: https://a.test/a.jpg 900w, https://a.test/s_a.jpg 500w",
    )


def test_an_answer_of_wordpress_has_the_images_of_its_content() -> None:
    text = r'[{"id":1,"link":"https:\/\/b.test\/p\/1","content":{"rendered":"<p>Hi<\/p>\n<img src=\"\/u\/a-300.jpg\" srcset=\"\/u\/a-300.jpg 300w, \/u\/a-1024.jpg 1024w\">"}}]'
    check(text, "img: https://b.test/u/a-300.jpg 300w, https://b.test/u/a-1024.jpg 1024w", base_url="")
    check(
        text,
        "img: https://b.test/u/a-300.jpg 300w, https://b.test/u/a-1024.jpg 1024w",
        base_url="https://c.test/",
    )


def test_an_export_of_ghost_has_images_at_the_site() -> None:
    card = json.dumps({"cards": [["image", {"src": "__GHOST_URL__/content/images/a.jpg", "width": 800}]]})
    post = {
        "feature_image": "__GHOST_URL__/content/images/f.jpg",
        "mobiledoc": card,
        "html": '<img src="__GHOST_URL__/content/images/a.jpg">',
    }
    check(
        {"db": [{"data": {"posts": [post]}}]},
        "data: https://g.test/content/images/f.jpg",
        "data: https://g.test/content/images/a.jpg 800w",
        base_url="https://g.test/",
    )


def test_a_json_feed_has_images_attachments_and_content() -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "home_page_url": "https://f.test/",
        "icon": "/i.png",
        "items": [
            {
                "id": "1",
                "url": "https://f.test/1/",
                "content_html": "<img src=a.png>",
                "image": "https://f.test/im?1",
                "attachments": [
                    {"url": "https://f.test/x", "mime_type": "image/jpeg"},
                    {"url": "https://f.test/y.mp3", "mime_type": "audio/mpeg"},
                ],
            }
        ],
    }
    for media_type in ("application/feed+json", "application/json", ""):
        check(
            feed,
            "icon: https://f.test/i.png",
            "img: https://f.test/1/a.png",
            "feed: https://f.test/im?1",
            "feed: https://f.test/x",
            base_url="",
            media_type=media_type,
        )


def test_values_on_lines_and_damaged_values_lose_only_what_is_damaged() -> None:
    check('{"image":"a.png"}\n{"image":"b.png"}', "data: a.png", "data: b.png")
    check(
        '[{"image":"a.png"},,{"image" "b.png"},{"image":"c.png"},{"image":"d.p', "data: a.png", "data: c.png"
    )
    (only,) = find_images("hello", media_type="application/json")
    assert only.problems[0].reason == "not JSON"


def test_a_problem_in_a_string_has_the_line_of_the_string() -> None:
    (image,) = find_images('{\n "a": "<img srcset=\'a.png 4q, b.png 2x\'>"}', media_type="application/json")
    assert (image.problems[0].line, image.problems[0].column) == (2, 7)


def test_ampersands_that_are_escaped_as_in_html_are_ampersands() -> None:
    check({"image": "/a.png?b=1&amp;c=2&#038;d=3"}, "data: https://a.test/a.png?b=1&c=2&d=3")
    check({"html": "&lt;img src=&quot;a.png&quot;&gt;"}, "img: a.png")
    script = '<script type="application/ld+json">{"image": "/a.png?b=1&amp;c=2&#038;d=3"}</script>'
    (image,) = find_images(script, base_url=BASE)
    assert image.candidates[0].url == "https://a.test/a.png?b=1&c=2&d=3"


def test_a_source_and_its_resolutions_are_one_image() -> None:
    sizes = [{"url": f"/a.png?w={width}", "width": width} for width in (1080, 108)]
    check(
        {"preview": {"images": [{"source": sizes[0], "resolutions": [sizes[1]]}]}},
        "data: https://a.test/a.png?w=1080 1080w, https://a.test/a.png?w=108 108w",
    )


@pytest.mark.parametrize("base_url", ["", BASE])
def test_relative_urls_in_html_are_those_of_the_page_of_the_object(base_url: str) -> None:
    posts = [{"link": f"https://b.test/{n}/", "content": '<img src="c.png">'} for n in "pq"]
    check(posts, "img: https://b.test/p/c.png", "img: https://b.test/q/c.png", base_url=base_url)


def test_the_icons_of_an_app_are_one_choice_for_each_purpose() -> None:
    manifest = {
        "name": "App",
        "icons": [
            {"src": "48.png", "sizes": "48x48 32x32"},
            {"src": "512.png", "sizes": "512x512", "purpose": "any maskable"},
            {"src": "m.png", "sizes": "512x512", "purpose": "maskable"},
            {"src": "any.svg", "sizes": "any"},
            {"sizes": "1x1"},
            "no object",
        ],
        "shortcuts": [{"name": "New", "icons": [{"src": "new.png", "sizes": "96x96"}]}],
        "screenshots": [{"src": "s.png", "sizes": "640x480", "label": "Start"}],
    }
    for media_type in ("application/manifest+json", ""):
        check(
            manifest,
            "icon: 48.png 48w, 512.png 512w",
            "icon: any.svg",
            "icon: m.png 512w",
            "icon: new.png 96w",
            "data: s.png 640w",
            media_type=media_type,
        )
    found = find_images(json.dumps(manifest))
    first = found[0]
    assert [image.alt for image in found] == ["", "", "maskable", "New", "Start"]
    together = [image for image, _ in icons_as_one((image, None) for image in found)]
    assert [image.candidates[0].url for image in together] == ["s.png", "48.png", "m.png", "new.png"]
    assert choose(first).url == "512.png"
    assert choose(first, width=40).url == "48.png"


@pytest.mark.parametrize(
    "text", ["", "[1]", "{", '{"icons": 5}', '{"icons": [{"src": 5}]}', "[" * 100_000, '{"a":' * 100_000]
)
def test_a_manifest_that_is_none_is_read_without_an_error(text: str) -> None:
    found = find_images(text, media_type="application/manifest+json")
    assert not [image for image in found if image.candidates]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 2_000_000,
        '{"a":' * 500_000,
        '{"link":"https://a.test/","image":"/a.png","a":' * 100_000,
        '{"image":"https://b.test/a.png"},' * 100_000,
        '"\\' * 1_000_000,
        '["<a ' * 500_000,
        '"[\\"' * 500_000,
        "1," * 2_000_000,
        '{"width":5,"sizes":{"url":"/a.png"}},' * 50_000,
    ],
)
def test_hostile_json_takes_linear_time(text: str) -> None:
    def read() -> None:
        for _ in each_image(Document(text, "application/json")):
            pass

    assert cpu_seconds(read) < 20


def test_what_is_nested_a_hundred_thousand_deep_is_found() -> None:
    text = '{"a":' * 100_000 + '{"image":"https://b.test/p"}' + "}" * 100_000
    check(f'[{text},"https://b.test/q.png"]', "data: https://b.test/p", "data: https://b.test/q.png")
