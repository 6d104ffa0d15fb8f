"""Documents of every type at a URL: their images are fetched, and those that have none say what they are."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from command import LOCAL, Ran
from origin import Origin, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PNG = encoded("png", 9, 9)
RSS = b'<rss><channel><item><enclosure url="/a.png" type="image/png"/></item></channel></rss>'
SITEMAP = b"<urlset xmlns='s'><url><i:image xmlns:i='i'><i:loc>/a.png</i:loc></i:image></url></urlset>"
XHTML = b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><title/><img src="/a.png"/></html>'
HTML_WITH_SVG = b"<!-- a --><!DOCTYPE html><html><body><svg><path d='M0 0'/></svg><img src=/a.png>"


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as origin:
        origin.route("/a.png", whole(PNG, content_type="image/png"))
        yield origin


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/feed", "application/rss+xml", RSS),
        ("/feed.xml", "text/xml; charset=utf-8", RSS),
        ("/feed", "application/octet-stream", RSS),
        ("/feed", "", RSS),
        ("/sitemap.xml", "application/xml", SITEMAP),
        ("/page", "application/xhtml+xml", XHTML),
        ("/page.xhtml", "application/octet-stream", XHTML),
        ("/page", "text/html", HTML_WITH_SVG),
        ("/posts", "application/json", json.dumps([{"html": "<img src=/a.png>"}]).encode()),
        ("/app.webmanifest", "application/manifest+json", b'{"screenshots":[{"src":"/a.png"}]}'),
        ("/note.md", "text/plain; charset=utf-8", b"# A\n\n![a](/a.png)\n"),
        ("/style.css", "text/css", b"a { background: url(/a.png) }"),
        ("/list.txt", "text/plain", b"/a.png 9w, /b.png 99w"),
        ("/sitemap.xml.gz", "application/gzip", gzip.compress(SITEMAP)),
    ],
)
def test_the_images_of_a_document_at_a_url_are_found(
    path: str,
    content_type: str,
    body: bytes,
    origin: Origin,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fields = {"content_type": content_type} if content_type else {}
    url = origin.route(path, whole(body, **fields))
    picked = Ran(capsys, "pick", url, "-w", "9", *LOCAL)
    assert f"{origin.url}/a.png" in picked.out.split(), picked.err
    got = Ran(capsys, "get", url, "-w", "9", *LOCAL, "--cache", str(tmp_path / "cache"))
    assert got.code == 0, got.err
    assert len(got.out.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "content_type", "body", "said"),
    [
        ("/a.pdf", "application/pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "the body is a PDF document"),
        ("/a", "application/zip", b"PK\x03\x04 xl/workbook.xml", "the body is an Excel workbook"),
        ("/a", "", b"\0\1\2\3" * 99, "the body "),
        ("/a", "text/plain", b"Not found.", "the body is text: no image in the text"),
        ("/a", "text/html", b"<p>Nothing here", "the body is HTML: a page without an image"),
        ("/a?n=1", "text/csv", b"sku,n\n1,<b>2</b>\n", "a table; imgfetch batch FILE --to DIR reads tables"),
        ("/a.tsv?n=1", "text/plain", b"sku\tn\n1\t2\n", "a table; imgfetch batch FILE --to DIR reads tables"),
        (
            "/list.txt",
            "text/plain",
            b"# mine\nhttps://a.example/1\n- https://a.example/2\n",
            "the body is text: a list of URLs; get -i FILE (or -i -) reads each line as a source",
        ),
    ],
)
def test_what_is_no_document_has_its_name(
    path: str,
    content_type: str,
    body: bytes,
    said: str,
    origin: Origin,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fields = {"content_type": content_type} if content_type else {}
    url = origin.route(path, whole(body, **fields))
    got = Ran(capsys, "get", url, *LOCAL, "--cache", str(tmp_path / "cache"))
    assert got.code == 1
    assert said in got.err


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", "", "text/plain"])
def test_an_image_is_an_image_whatever_is_said_of_it(
    content_type: str, origin: Origin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = {"content_type": content_type} if content_type else {}
    url = origin.route("/b.png", whole(PNG, **fields))
    got = Ran(capsys, "get", url, *LOCAL, "--cache", str(tmp_path / "cache"))
    assert got.code == 0
    assert "1 image" in got.err or got.out
