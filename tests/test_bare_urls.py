"""The images that a text names by their URLs alone."""

from __future__ import annotations

import pytest

from imgfetch import find_images
from imgfetch.model.document import Document
from imgfetch.readers.documents import each_image
from measuring import cpu_seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://x.test/a.jpg, and (https://x.test/b.png). Also <https://x.test/c.webp>; no", "abc"),
        ("a https://x.test/a.jpg?w=1&h=2! https://x.test/a_(1).jpg https://x.test/page.html", "aa"),
        ("Title\n=====\n\n.. image:: b.png\n   :alt: A\n.. |s| image:: /c.png", "bc"),
        ("= Title\n\nimage::https://x.test/a.png[Alt] and image:b.png[B]", "ab"),
        ("[img]https://x.test/a.jpg[/img] [url=https://x.test/p][img=200x100]b.png[/img][/url]", "ab"),
        ("=> a.jpg Picture\n=> page.gmi Page", "a"),
        ("[InternetShortcut]\nURL=https://x.test/a.jpg\n", "a"),
        ("pictures: https://x.test/a.jpg,https://x.test/b.jpg and https://x.test/a.jpg", "ab"),
        ("https://x.test/a.jpg\nhttps://x.test/b.jpg\n", ""),
        ("only prose, of a.jpg and b.png", ""),
        ("https://x.test/c-1.jpg 480w, https://x.test/c-2.jpg 960w and https://x.test/a.jpg", "cc"),
    ],
)
def test_a_text_names_images_by_their_urls(text: str, expected: str) -> None:
    found = find_images(text, base_url="https://x.test/d/")
    urls = [each.url for image in found for each in image.candidates]
    assert "".join(url.rpartition("/")[2][0] for url in urls) == expected
    assert all(text[image.position :].startswith(("http", "/", "a", "b", "c")) for image in found)


def test_a_table_names_none_without_a_row() -> None:
    assert not [*each_image(Document(b"name,url\na,https://x.test/a.jpg\n", name="a.csv"))]


@pytest.mark.parametrize(
    "part", ["http://", "http://a.jpg,", ".. image:: ", "image:", "[img", "=> ", "(http://a)."]
)
def test_a_hostile_text_takes_linear_time(part: str) -> None:
    document = Document("a " + part * (400_000 // len(part)), "text/plain")
    assert cpu_seconds(lambda: [*each_image(document)]) < 20
