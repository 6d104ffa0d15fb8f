"""URLs as people type them: with raw spaces, one a line of a list, with comments."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imgfetch import Cache, Client, fetch
from imgfetch.api.normalize import is_one_url
from imgfetch.api.sources import label, read_source
from imgfetch.cli import main
from imgfetch.model.markup import RowFormat
from imgfetch.readers.input_rows import rows
from imgfetch.readers.lines import bare_line
from origin import Origin, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("home")

LOCAL = ["--allow-host", "127.0.0.1", "-R", "0"]
ESCAPED = "/product%20visual/2018%20%E5%89%AF%E6%9C%AC.jpg"


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as running:
        running.route(ESCAPED, whole(encoded("jpeg", 64, 48)))
        running.route("/plain.jpg", whole(encoded("jpeg", 32, 24)))
        yield running


URL = "https://h.example/a.jpg?x=1,2"


@pytest.mark.parametrize(
    ("line", "source"),
    [
        (f'"{URL}"', URL),
        (f"'{URL}',", URL),
        (f"<{URL}>", URL),
        (f"- {URL}", URL),
        (f"*   <{URL}>", URL),
        (f'12. "{URL}"  # one', URL),
        (f"\u2022 {URL}", URL),
        (f"{URL}\ta caption of it", URL),
        (f"{URL}\t480w", f"{URL}\t480w"),
        (f"{URL} 1x,\t{URL} 2x", f"{URL} 1x,\t{URL} 2x"),
        ('"https://h.example/a b.jpg"', "https://h.example/a b.jpg"),
        ("https://h.example/it's.jpg", "https://h.example/it's.jpg"),
        (f'<img src="{URL}">', f'<img src="{URL}">'),
        ("- a.jpg", "- a.jpg"),
    ],
)
def test_what_lists_write_around_a_url_is_taken_off(line: str, source: str) -> None:
    assert bare_line(line) == source


def test_a_list_on_the_command_line_is_read_as_a_line_of_a_file(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = f"{origin.url}{ESCAPED}", f"{origin.url}/plain.jpg"
    for given in (f"{one}, {two}", f"{one} {two}", f"{one};{two}"):
        main(["pick", given, "-q"])
        assert capsys.readouterr().out.split() == [one, two]
    main(["pick", f"{one} 480w, {two} 960w", "-q"])
    assert capsys.readouterr().out.split() == [two]
    main(["pick", "product%20visual/a.jpg, plain.jpg", "--base", origin.url, "-q"])
    assert capsys.readouterr().out.split() == [f"{origin.url}/product%20visual/a.jpg", two]


def typed(origin: Origin) -> str:
    return f"{origin.url}/product visual/2018 副本.jpg"


@pytest.mark.parametrize(
    "text",
    [
        "https://h.example/a.jpg",
        "http://h.example/product visual/2018 副本.jpg",
        "HTTPS://h.example/123 High Street, London.jpg",
        "http://h.example/photo 2x (1).jpg",
        "http://h.example/My photo 2x.jpg",
        "http://h.example/a b?q=c d#e f",
        "ftp://h.example/a b.jpg",
        "https://cdn.example/fetch/w_1,c_2/https://h.example/a b.jpg",
    ],
)
def test_a_line_that_begins_with_a_scheme_is_one_url(text: str) -> None:
    assert is_one_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "my photo.jpg",
        "see http://h.example/a.jpg",
        "http://h.example/a.jpg\nhttp://h.example/b.jpg",
        "http://h.example/a.jpg, http://h.example/b.jpg",
        "http://h.example/a.jpg http://h.example/b.jpg",
        "http://h.example/a.jpg, b.jpg",
        "http://h.example/a.webp 2x",
        "http://h.example/a.webp 480w, b.webp 800w",
        "http://h.example/a.webp 480w 2x",
        "http://h.example/a.webp 2x is the picture",
        "http://h.example/ <img src=a.webp>",
        "note: two words",
        "http://h.example/ has ![a ship](https://h.example/a.png)",
        'http://h.example/ has "https://h.example/a.png"',
    ],
)
def test_a_text_of_several_words_stays_a_text(text: str) -> None:
    assert not is_one_url(text)


def test_a_url_with_spaces_is_escaped_and_shown_without_its_password() -> None:
    (found,) = read_source("http://me:word@h.example/a b.jpg?c d").images
    assert found.candidates[0].url == "http://me:word@h.example/a%20b.jpg?c%20d"
    assert label("http://me:word@h.example/a b.jpg") == "http://h.example/a%20b.jpg"


def test_every_command_takes_a_url_with_spaces(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    url = typed(origin)
    assert main(["get", url, *LOCAL]) == 0
    path = capsys.readouterr().out
    Path("list.txt").write_text(f"# two words\n{url}  # a comment\n{origin.url}/plain.jpg\n")
    assert main(["get", "-i", "list.txt", *LOCAL]) == 0
    assert path in capsys.readouterr().out
    assert main(["pick", url, *LOCAL]) == 0
    assert capsys.readouterr().out.startswith(origin.url + ESCAPED)
    for name, text in (
        ("in.txt", f"#\n{url}\n"),
        ("in.csv", f"id,url\n1,{url}\n"),
        ("in.jsonl", json.dumps({"url": url})),
    ):
        Path(name).write_text(text)
        assert main(["batch", name, "--to", f"out-{name}", *LOCAL]) == 0
    assert main(["explain", url]) == 0
    assert "get would serve it" in capsys.readouterr().out
    assert main(["cache", "rm", url]) == 0
    assert Cache("cache").find(url) is None
    assert {request.path for request in origin.requests} <= {ESCAPED, "/plain.jpg", "/robots.txt"}


@pytest.mark.anyio
async def test_a_client_takes_a_url_with_spaces(origin: Origin) -> None:
    async with Client(allow_hosts=["127.0.0.1"]) as client:
        assert (await client.get(typed(origin))).width == 64
        assert [each.url async for each in client.get_many([typed(origin)])] == [origin.url + ESCAPED]


def test_fetch_takes_a_url_with_spaces(origin: Origin) -> None:
    assert fetch(typed(origin), allow_hosts=["127.0.0.1"]).width == 64


def test_a_list_of_urls_that_is_read_as_a_text_names_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    Path("list.txt").write_text("# mine\nhttps://h.example/a b.jpg\n\nhttps://h.example/page\n")
    for command in ("get", "pick"):
        assert main([command, "list.txt"]) == 2
        assert "list.txt: a list of URLs, and not a text; get -i FILE" in capsys.readouterr().err
    Path("text.txt").write_text(
        "https://h.example/page\nhttps://h.example/a.webp 1x, https://h.example/b.webp 2x\n"
    )
    assert main(["pick", "-q", "text.txt"]) == 0
    assert capsys.readouterr().out == "https://h.example/b.webp\n"


def test_a_table_that_is_read_as_a_text_or_a_list_names_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("in.csv").write_text("id,url\n1,https://h.example/a.jpg\n")
    for arguments in (["get", "in.csv"], ["pick", "in.csv"], ["get", "-i", "in.csv"]):
        assert main(arguments) == 2
        err = capsys.readouterr().err
        assert len(err.splitlines()) == 1
        assert "in.csv: a table, and not a" in err
        assert "imgfetch batch FILE --to DIR reads tables" in err
    Path("in.csv").write_text("https://h.example/a.jpg\nhttps://h.example/b.jpg\n")
    assert main(["pick", "-q", "--offline", "-i", "in.csv"]) == 0


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        ("# a", ""),
        ("  #", ""),
        ("http://h.example/a#b", "http://h.example/a#b"),
        (" http://h.example/a # b ", "http://h.example/a"),
        (" " * 100_000 + "a#" + " " * 100_000, "a#"),
    ],
)
def test_a_comment_of_a_list_begins_behind_white_space(line: str, bare: str) -> None:
    assert bare_line(line) == bare


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_list_comes_in_any_encoding_and_with_any_line_ends(
    encoding: str, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = end.join(["# mine", "https://h.example/é.jpg", "https://h.example/b.jpg"])
    Path("list.txt").write_bytes(lines.encode(encoding))
    assert main(["pick", "-q", "--offline", "-i", "list.txt"]) == 0
    assert capsys.readouterr().out.split() == ["https://h.example/%C3%A9.jpg", "https://h.example/b.jpg"]


def test_comments_are_no_rows() -> None:
    (row,) = rows(io.BytesIO(b"# a\nb.webp # c\n"), RowFormat.LINES)
    assert row.images == ("b.webp",)
