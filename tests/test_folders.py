# ruff: noqa: E501 (markup, as it stands in pages)
"""Folders and patterns as sources: which files are read, and against which URL."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from command import LOCAL, Ran
from imgfetch import Client, Failure, Image
from imgfetch.readers.base_url import base_url_of
from origin import whole
from pictures import encoded

if TYPE_CHECKING:
    from origin import Origin

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str | bytes = "") -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def picked(capsys: pytest.CaptureFixture[str], *sources: str) -> tuple[list[str], str, int]:
    ran = Ran(capsys, "pick", "-q", *sources)
    loud = Ran(capsys, "pick", *sources)
    return ran.lines, loud.err, ran.code


def test_a_folder_is_read_to_its_last_document_in_the_order_of_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("news/b/2.html", "<img src=https://h.example/2.jpg>")
    write("news/a.html", "<img src=https://h.example/1.jpg>")
    write("news/c.txt", "https://h.example/3-480.webp 480w, https://h.example/3-960.webp 960w")
    write("news/.git/x.html", "<img src=https://h.example/hidden.jpg>")
    write("news/.hidden.html", "<img src=https://h.example/hidden.jpg>")
    write("news/photo.jpg", encoded("jpeg", 8, 8))
    write("news/unknown", b"\0\1\2\3" * 99)
    write("news/app.js", "var a = 'https://h.example/script.jpg 1x'")
    write("news/empty.html")
    write("news/words.html", "<p>No picture")
    lines, said, code = picked(capsys, "news")
    assert lines == [f"https://h.example/{name}" for name in ("1.jpg", "2.jpg", "3-960.webp")]
    assert code == 0
    assert said == "imgfetch: files not taken: 4 of other types, 2 hidden, 1 without images\n"


def test_lists_and_tables_in_a_folder_are_said_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    write("in/a.html", "<img src=https://h.example/1.jpg>")
    write("in/list.txt", "https://h.example/2.jpg\nhttps://h.example/3.jpg\n")
    write("in/rows.csv", "sku,url\nA1,https://h.example/4.jpg\n")
    lines, said, code = picked(capsys, "in")
    assert (lines, code) == (["https://h.example/1.jpg"], 0)
    reads = "1 with a URL a line (get -i reads them), 1 with a table (batch reads them)"
    assert said == f"imgfetch: files not taken: {reads}\n"


def test_links_lead_to_files_inside_a_folder_alone(capsys: pytest.CaptureFixture[str]) -> None:
    write("outside.html", "<img src=https://h.example/outside.jpg>")
    write("more/page.html", "<img src=https://h.example/more.jpg>")
    write("news/page.html", "<img src=https://h.example/1.jpg>")
    Path("news/again.html").symlink_to("page.html")
    Path("news/out.html").symlink_to("../outside.html")
    Path("news/loop").symlink_to(".")
    Path("news/more").symlink_to("../more")
    Path("news/nowhere.html").symlink_to("nothing")
    lines, said, code = picked(capsys, "news")
    assert (lines, code) == (["https://h.example/1.jpg"] * 2, 0)
    assert said == "imgfetch: files not taken: 4 links that are not followed\n"


def test_a_folder_without_a_picture_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert picked(capsys, "empty")[2] == 2
    assert "empty: no document with an image that is wanted" in picked(capsys, "empty")[1]


def test_a_pattern_that_the_shell_did_not_expand_names_files(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("b", "a", "sub/c", ".hidden/d", "sub/.e"):
        write(f"site/{name}.html", f"<img src=https://h.example/{name[-1]}.jpg>")
    write("site/note.txt", "nothing")
    assert picked(capsys, "site/**/*.html")[0] == [f"https://h.example/{name}.jpg" for name in "abc"]
    assert picked(capsys, str(Path("site/*.html").absolute()))[0] == [
        "https://h.example/a.jpg",
        "https://h.example/b.jpg",
    ]
    lines, _, code = picked(capsys, "site/**/*")
    assert (len(lines), code) == (3, 0)
    assert picked(capsys, "site/*.xml")[2] == 2


def test_a_star_in_a_url_or_a_srcset_is_no_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    assert picked(capsys, "https://h.example/*.jpg")[0] == ["https://h.example/*.jpg"]


@pytest.mark.parametrize(
    ("page", "base"),
    [
        ("<!-- saved from url=(0022)https://h.example/a/b --><link rel=canonical href=https://c.example/>", "https://h.example/a/b"),
        ("<!DOCTYPE html> <html><!--\n Page saved with SingleFile \n url: https://h.example/x?a=1&b \n saved date: x\n-->", "https://h.example/x?a=1&b"),
        ("<meta property='og:url' content='https://g.example/'><link href='https://c.example/?a&amp;b' rel='Canonical'>", "https://c.example/?a&b"),
        ("<!DOCTYPE html><html lang=en data-scrapbook-source='https://h.example/w'><link rel=canonical href=https://c.example/>", "https://h.example/w"),
        ("<meta name='savepage-url' content='https://h.example/s'>", "https://h.example/s"),
        ("<meta content=https://g.example/ property=og:url>", "https://g.example/"),
        ("<link rel=canonical href=/relative><meta property=og:url content=https://g.example/>", "https://g.example/"),
        ("<link rel=canonical href=javascript:alert(1)>", None),
        ("<link rel=canonical href=file:///etc/passwd>", None),
        ("<!-- saved from url=(0014)about:internet -->", None),
        ("<p>https://h.example/", None),
    ],
)  # fmt: skip
def test_a_saved_page_tells_its_own_address(page: str, base: str | None) -> None:
    found = base_url_of(page)
    assert (found and found[0]) == base


def test_the_address_of_any_page_is_found_in_linear_time() -> None:
    for text in (
        "<link " * 40_000,
        "<link a=b" * 30_000,
        "<!-- saved from url=(0000)" * 9_000,
        "<meta a='" * 30_000,
    ):
        assert base_url_of(text) is None


def test_relative_urls_of_saved_pages_are_resolved_and_a_base_goes_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("news/a.html", "<link rel=canonical href=https://h.example/a/><img src=1.jpg>")
    write("news/b.html", "<!-- saved from url=(0022)https://i.example/b/c --><base href=/d/><img src=2.jpg>")
    assert picked(capsys, "news")[0] == ["https://h.example/a/1.jpg", "https://i.example/d/2.jpg"]
    assert picked(capsys, "news", "--base", "https://x.example/")[0] == [
        "https://x.example/1.jpg",
        "https://x.example/d/2.jpg",
    ]
    said = Ran(capsys, "pick", "-v", "news/a.html").err
    assert (
        "html, by its name .html; base URL by its link rel=canonical, https://h.example/a/; 1 image" in said
    )


def test_copies_beside_a_saved_page_are_counted_and_never_opened(capsys: pytest.CaptureFixture[str]) -> None:
    page = """<!-- saved from url=(0022)https://h.example/a/b -->
    <img src='./My%20story_files/1.jpg'><img src='My story_files/2.jpg' srcset='/2-800.jpg 800w'>
    <img src=/3.jpg>"""
    write("news/My story.html", page)
    write("news/My story_files/1.jpg", encoded("jpeg", 8, 8))
    write("news/My story_files/frame.html", "<img src=https://h.example/frame.jpg>")
    lines, said, code = picked(capsys, "news")
    assert (lines, code) == (["https://h.example/2-800.jpg", "https://h.example/3.jpg"], 0)
    assert "1 more image: 1 saved beside its page\n" in said
    assert "files not taken: 1 saved as parts of pages" in said


@pytest.mark.parametrize("suffix", ["_files", "-Dateien", "_fichiers", "_archivos", ".files"])
def test_browsers_save_copies_under_names_of_their_language(
    suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = f"<!-- saved from url=(0022)https://h.example/a/b --><img src='./S%20e{suffix}/1.jpg'><img src=/3.jpg>"
    write("news/S e.htm", page)
    write(f"news/S e{suffix}/frame.html", "<img src=https://h.example/frame.jpg>")
    lines, said, code = picked(capsys, "news")
    assert (lines, code) == (["https://h.example/3.jpg"], 0)
    assert "files not taken: 1 saved as parts of pages" in said


def test_the_headers_of_the_caller_are_not_sent_where_a_saved_page_points(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.route("/a.webp", whole(encoded("webp", 64, 48)))
    write("news/a.html", f"<link rel=canonical href={origin.url}/><img src=/a.webp>")
    ran = Ran(capsys, "get", "news", "-H", "Authorization: secret", *LOCAL)
    assert ran.code == 0
    assert "authorization" not in origin.requests[-1].headers


def test_results_and_failures_of_a_folder_name_the_file_and_the_page(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.route("/a.webp", whole(encoded("webp", 64, 48)))
    write("news/a.html", f"<link rel=canonical href={origin.url}/story><img src=/a.webp><img src=/gone.webp>")
    write("news/b.html", f"<img src={origin.url}/gone.webp>")
    ran = Ran(capsys, "get", "--json", "news", *LOCAL)
    assert ran.code == 1
    found = sorted((each["source"], each["page"], each["status"]) for each in map(json.loads, ran.lines))
    assert found == [
        ("news/a.html", f"{origin.url}/story", "error"),
        ("news/a.html", f"{origin.url}/story", "ok"),
        ("news/b.html", "news/b.html", "error"),
    ]
    assert f"{origin.url}/gone.webp: HTTP 404 (in news/a.html)" in ran.err
    assert f"{origin.url}/gone.webp: HTTP 404 (in news/b.html)" in ran.err


def test_the_library_takes_a_folder_too(origin: Origin) -> None:
    origin.route("/a.webp", whole(encoded("webp", 64, 48)))
    write("news/a.html", f"<img src={origin.url}/a.webp>")
    write("news/b.html", f"<img src={origin.url}/gone.webp>")

    async def go() -> list[Image | Failure]:
        async with Client(allow_hosts=["127.0.0.1"]) as client:
            return [outcome async for outcome in client.get_many([Path("news")])]

    outcomes = asyncio.run(go())
    assert sorted((type(each).__name__, each.page) for each in outcomes) == [
        ("Failure", "news/b.html"),
        ("Image", "news/a.html"),
    ]


def test_verbose_names_each_file_that_is_not_taken(capsys: pytest.CaptureFixture[str]) -> None:
    write("news/a.html", "<img src=https://h.example/1.jpg>")
    write("news/b.txt", "Nothing to see")
    write("news/c.bin", b"\0\1")
    said = Ran(capsys, "pick", "-v", "news").err.splitlines()
    assert "imgfetch: news/b.txt: not taken: without images" in said
    assert "imgfetch: news/c.bin: not taken: of other types" in said
    assert "imgfetch: news/a.html: html, by its name .html; 1 image" in said


def test_a_folder_is_locked_and_served_from_its_lock(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.route("/a.webp", whole(encoded("webp", 64, 48)))
    for name in ("a", "b"):
        write(f"news/{name}.html", f"<link rel=icon href={origin.url}/i.ico><img src={origin.url}/a.webp>")
    locked = Ran(capsys, "get", "news", "--lock", "imgfetch.lock", *LOCAL)
    assert (locked.code, len(locked.lines)) == (0, 2)
    asked = origin.asked()
    again = Ran(capsys, "get", "news", "--locked", *LOCAL)
    assert (again.code, again.lines, origin.asked()) == (0, locked.lines, asked)


def test_an_archive_in_a_folder_tells_its_own_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    page = "<img src=/a.jpg><img src=b.jpg>"
    write(
        "news/saved.mhtml",
        "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=X; type=text/html\r\n\r\n"
        "--X\r\nContent-Type: text/html\r\nContent-Location: https://h.example/n/page.html\r\n\r\n"
        f"{page}\r\n--X--\r\n",
    )
    lines, _, code = picked(capsys, "news")
    assert (code, lines) == (0, ["https://h.example/a.jpg", "https://h.example/n/b.jpg"])


def test_what_imgfetch_wrote_into_a_folder_is_no_source(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.route("/a.webp", whole(encoded("webp", 64, 48)))
    write("news/a.html", f"<img src={origin.url}/a.webp><img src={origin.url}/gone.webp>")
    write("list.txt", f"{origin.url}/a.webp\n")
    Ran(capsys, "batch", "list.txt", "--to", "news/batch", "--robots", "ignore", *LOCAL)
    command = ["get", "news", "--cache", "news/cache", "-d", "news/out", "--report", "news/failed.jsonl"]
    command += ["--table", "news/images.csv", "--lock", "news/imgfetch.lock", *LOCAL]
    for _ in range(2):
        ran = Ran(capsys, *command)
        assert (ran.code, len(ran.lines)) == (1, 1)
        assert "2 images: " in ran.err
    write("news/all.json", "\n".join(Ran(capsys, *command, "--json").lines))
    assert "2 images: " in Ran(capsys, *command).err
    assert " written by imgfetch" in ran.err


def test_a_text_without_a_name_has_no_copies_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    page = "<html><img src=https://h.example/_files/1.jpg>"
    assert picked(capsys, page)[0] == ["https://h.example/_files/1.jpg"]
