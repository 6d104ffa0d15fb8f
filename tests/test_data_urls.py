"""`data:` URLs, as the Fetch standard reads them (§6), at every place that takes a URL."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from time import process_time
from urllib.parse import quote

import pytest

import imgfetch
from command import Ran
from imgfetch.markup.data_urls import from_base64, media_type_of, read
from pictures import encoded

PNG = encoded("png", 40, 30)
BASE64 = b64encode(PNG).decode()
URL = f"data:image/png;base64,{BASE64}"


@pytest.mark.parametrize(
    ("url", "media_type", "data"),
    [
        ("data:,A%20brief%20note", "text/plain;charset=US-ASCII", b"A brief note"),
        ("data:text/plain,X", "text/plain", b"X"),
        ("DATA:Image/PNG;base64,AAEC", "Image/PNG", b"\0\1\2"),
        ("data:image/png;BASE64,AAEC", "image/png", b"\0\1\2"),
        ("data:image/png; base64,AAEC", "image/png", b"\0\1\2"),
        ("data:image/png;base64,AA EC", "image/png", b"\0\1\2"),
        ("data:image/png;base64,AA%20EC", "image/png", b"\0\1\2"),
        ("data:image/png;base64,AA\nEC", "image/png", b"\0\1\2"),
        ("data:image/png;base64,AAE%3D", "image/png", b"\0\1"),
        ("data:image/png;base64,AAE", "image/png", b"\0\1"),
        (" data:image/png;base64,AAEC ", "image/png", b"\0\1\2"),
        ("data:image/png;base64 ,AAEC", "image/png", b"\0\1\2"),
        ("data:image/png;base64;x,AAEC", "image/png;base64;x", b"AAEC"),
        ("data:;charset=utf-8,%C3%A9é", "text/plain;charset=utf-8", "éé".encode()),
        ("data:image/svg+xml,<svg fill='red'/>#part", "image/svg+xml", b"<svg fill='red'/>"),
        ("data:not a type,X", "text/plain;charset=US-ASCII", b"X"),
        ("data:,%", "text/plain;charset=US-ASCII", b"%"),
        ("data:,%zz%4", "text/plain;charset=US-ASCII", b"%zz%4"),
    ],
)
def test_a_url_is_read_as_browsers_read_it(url: str, media_type: str, data: bytes) -> None:
    assert read(url) == (media_type, data)


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64",
        "data:image/png;base64,A",
        "data:;base64,A*==",
        "data:;base64,A=AA",
        "http://h/",
    ],
)
def test_what_the_standard_refuses_has_no_bytes(url: str) -> None:
    assert read(url) is None


def test_base64_may_lack_its_padding_and_have_spaces() -> None:
    for text in (b"YWI=", b"YWI", b" Y W\tI\n=\r\f"):
        assert from_base64(text) == b"ab", text
    assert (from_base64(b"YWJj"), from_base64(b"")) == (b"abc", b"")
    for text in (b"Y", b"YWI==", b"YW=I", b"YW-_", b"====="):
        assert from_base64(text) is None, text


def test_escapes_are_undone_in_pieces() -> None:
    data = bytes(range(256)) * 9000
    for shift in range(3):
        assert read("data:," + "x" * shift + quote(data)) == (
            "text/plain;charset=US-ASCII",
            b"x" * shift + data,
        )


def test_a_url_of_megabytes_takes_linear_time() -> None:
    def seconds(size: int) -> float:
        url = "data:image/png;base64," + "%41" * size + ";base64," * (size // 8)
        start = process_time()
        read(url)
        media_type_of(url)
        return process_time() - start

    seconds(1000)
    assert seconds(1_600_000) < 40 * max(seconds(100_000), 0.005)


# At every place that takes a URL


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "source",
    [
        URL,
        URL.replace("data:", "DATA:"),
        f"data:image/png;base64,{BASE64[:40]}\n{BASE64[40:]}",
        f"data:image/png,{quote(PNG)}",
        f"data:;base64,{quote(BASE64)}",
        f"<img src='{URL}'>",
        f"<html><p style='background: url({URL})'>",
        f"{URL} 40w, https://127.0.0.1:1/large.png 900w",
    ],
)
def test_its_image_is_kept_like_any_other_and_asks_no_one(source: str) -> None:
    for offline in (False, True):
        image = imgfetch.fetch(source, width=40, offline=offline)
        assert image.path.read_bytes() == PNG
        assert (image.origin, image.attempts, image.width) == ("embedded", 0, 40)
        assert image.verified == ("structure", "decode")


def test_get_prints_its_path_and_shows_the_url_shortened(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = encoded("png", 300, 200)
    url = f"data:image/png;base64,{b64encode(noise).decode()}"
    assert len(url) > 4096
    Path("page.html").write_text(f"<img src='{url}' alt=chart>")
    Path("list.txt").write_text(f"{url}\n")
    for arguments in (["page.html"], [url], ["-i", "list.txt"]):
        ran = Ran(capsys, "get", *arguments, "--json", "--offline")
        (line,) = map(json.loads, ran.lines)
        assert (ran.code, ran.err) == (0, "")
        assert Path(line["path"]).read_bytes() == noise
        assert line["origin"] == "embedded"
        assert len(ran.out) < 2000
        assert line["url"].startswith("data:image/png;base64,iVBOR")
    ran = Ran(capsys, "pick", "page.html")
    assert (ran.code, len(ran.out) < 200) == (0, True)
    ran = Ran(capsys, "get", "page.html", "-d", "copies")
    (copied,) = ran.lines
    assert Path(copied).read_bytes() == noise
    assert len(Path(copied).name) < 40


def test_what_is_not_a_whole_image_fails_without_a_retry_and_the_next_candidate_is_taken(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = f"data:image/png;base64,{b64encode(PNG[:-20]).decode()}"
    for url, words in (
        (cut, "ends after"),
        ("data:image/png;base64,*", "not valid base64"),
        ("data:image/png,", "the body is empty"),
        ("data:text/html,<p>Hello", "HTML"),
    ):
        ran = Ran(capsys, "get", url)
        assert (ran.code, words in ran.err, len(ran.err.splitlines())) == (1, True, 1), ran.err
    ran = Ran(capsys, "get", URL, "--max-bytes", "30")
    assert (ran.code, "--max-bytes" in ran.err) == (1, True), ran.err
    Path("list.html").write_text(f"<img srcset='{cut} 3x, {URL} 2x'>")
    assert Ran(capsys, "get", "list.html").images == [PNG]


def test_a_lock_gives_it_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("page.html").write_text(f"<img src='{URL}'>")
    lock = ["--lock", "imgfetch.lock"]
    assert Ran(capsys, "get", "page.html", *lock).images == [PNG]
    assert len(Path("imgfetch.lock").read_text()) < 500
    assert Ran(capsys, "get", "page.html", *lock, "--locked").images == [PNG]
    assert Ran(capsys, "get", "page.html", *lock, "--locked", "--cache", "other").images == [PNG]
    Path("page.html").write_text(f"<img src='{URL[:-400]}'>")
    assert Ran(capsys, "get", "page.html", *lock, "--locked").code == 1


def test_a_font_in_a_style_sheet_is_not_an_image() -> None:
    css = "@x{src:url(data:font/woff2;base64,d09GMg)} a{background:url(data:application/font-woff;base64,AA)}"
    assert imgfetch.find_images(css, media_type="text/css") == ()


def test_a_key_as_the_cache_lists_it_can_be_pinned_and_removed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Ran(capsys, "get", URL).images == [PNG]
    (line,) = Ran(capsys, "cache", "ls").lines
    key = line.split()[-1]
    assert key.startswith("ni:///sha-256;")
    assert Ran(capsys, "cache", "pin", key).code == 0
    assert Ran(capsys, "cache", "rm", key).code == 0
    assert not Ran(capsys, "cache", "ls").lines


@pytest.mark.parametrize(
    ("media_type", "document"),
    [
        ("text/css", "a{background:url(data:,)} b{background:image-set('data:,' 1x, 'a.png' 2x)}"),
        ("application/manifest+json", '{"icons":[{"src":"data:image/png;base64,"},{"src":"a.png"}]}'),
        ("application/json", '{"image":"data:image/png;base64,","thumb":"a.png"}'),
        ("text/markdown", "![none](data:,) ![a](a.png)"),
        (
            "application/rss+xml",
            "<rss version='2.0'><channel><item><enclosure type='image/x' url='data:,'/></item>\
             <item><enclosure type='image/png' url='a.png'/></item></channel></rss>",
        ),
    ],
)
def test_an_empty_one_is_not_an_image_in_any_document(media_type: str, document: str) -> None:
    found = imgfetch.find_images(document, media_type=media_type)
    assert [each.url for image in found for each in image.candidates] == ["a.png"]
    assert [problem for image in found for problem in image.problems] == []
