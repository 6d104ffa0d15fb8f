"""The command line, as a user meets it: results, messages, exit codes, and what is left on disk."""

from __future__ import annotations

import gzip
import json
import os
import select
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from children import running
from command import LOCAL, Ran, child
from imgfetch.cli import options
from imgfetch.cli.process import run_async
from imgfetch.demo import news
from imgfetch.errors import InputError
from imgfetch.store.staged_body import IN_MEMORY
from origin import Origin, head, slowly, stall, status, whole
from pictures import encoded

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def origin(news_origin: Origin) -> Origin:
    return news_origin


# The main job


@pytest.mark.parametrize(
    ("body", "level"),
    [
        (encoded("jpeg", 64, 48)[:-2], "none"),  # without EOI
        (encoded("gif", 64, 48)[:-1], "none"),  # without a trailer
        (encoded("png", 64, 48)[:-12], "none"),
        (encoded("jpeg", 160, 120)[:-900] + b"\xff\xd9", "structure"),
        (encoded("webp", 160, 120)[:-900] + bytes(900), "structure"),
    ],
)
def test_a_refusal_names_the_level_of_checking_that_would_accept_the_image(
    body: bytes, level: str, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/image", whole(body))
    for checked in ("full", *(["structure"] if level == "none" else [])):
        ran = Ran(capsys, "get", url, "--verify", checked, *LOCAL)
        assert ran.code == 1
        assert ran.err.endswith(f"; --verify {level} would accept it\n")
    assert Ran(capsys, "get", url, "--verify", level, *LOCAL).code == 0


def test_a_limit_holds_at_every_level_of_checking(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    url = origin.route("/image", whole(encoded("webp", 64, 48)))
    ran = Ran(capsys, "get", url, "--max-pixels", "100", *LOCAL)
    assert (ran.code, "--verify" in ran.err) == (1, False)


def test_the_rest_of_a_page_with_too_many_images_is_one_failure_that_names_the_option(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    page = b"".join(b"<img src=/a.webp#%d>" % number for number in range(4))
    url = origin.route("/many", whole(page, content_type="text/html"))
    origin.route("/a.webp", whole(encoded("webp", 64, 48)))
    for command, lines in (("get", 3), ("pick", 6)):
        ran = Ran(capsys, command, url, "--max-images", "3", *LOCAL)
        assert (ran.code, len(ran.lines)) == (1, lines)
        assert "more than 3 images in a page; the rest of them is left out; --max-images sets" in ran.err
    Path("page.html").write_bytes(page)
    ran = Ran(capsys, "get", "page.html", "--base", origin.url, "--max-images", "3", *LOCAL)
    assert (ran.code, len(ran.lines)) == (0, 4)


def test_the_crawled_text_gives_the_1280_px_rendition_for_800(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(capsys, "get", "news.txt", "--width", "800", *LOCAL)
    assert (ran.code, ran.err) == (0, "")
    (path,) = ran.lines
    assert Path(path).read_bytes() == encoded("webp", 1280, 720)
    assert [request.path for request in origin.requests] == [news.PATHS[1280]]

    again = Ran(capsys, "get", "news.txt", "--width", "800")
    assert (again.code, again.lines, origin.asked()) == (0, [path], 1)


def test_pick_prints_the_choice_and_the_reason_without_a_request(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(capsys, "pick", "news.txt", "--width", "800")
    assert ran.code == 0
    assert ran.lines[0] == origin.url + news.PATHS[1280]
    assert ran.lines[1] == "  1280w is the smallest of 4 that covers 800 device pixels"
    assert [line.split()[1] for line in ran.lines[2:]] == ["1920w", "768w", "480w"]
    assert origin.asked() == 0
    assert not Path("cache").exists()


def test_pick_fetches_a_page_but_no_image(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    page = b"<img srcset='a.webp 480w, b.webp 960w' sizes=400px><meta property=og:image content=/og.jpg>"
    origin.route("/story", whole(page, content_type="text/html", link="</hero.webp>; rel=preload; as=image"))
    origin.route("/empty", whole(b"<p>nothing", content_type="text/html"))
    origin.route("/picture", whole(encoded("webp", 480, 270)))
    ran = Ran(capsys, "pick", f"{origin.url}/story", "--viewport", "800x600@2", *LOCAL)
    assert (ran.code, ran.err) == (0, "")
    assert [line for line in ran.lines if not line.startswith(" ")] == [
        f"{origin.url}{path}" for path in ("/b.webp", "/hero.webp", "/og.jpg")
    ]
    assert "  meta: it is the only candidate" in ran.lines
    assert [line for line in ran.lines if "CSS pixels wide" in line] == ["  it is 400 CSS pixels wide there"]

    both = Ran(
        capsys, "pick", "-q", f"{origin.url}/picture", f"{origin.url}/story", "news.txt", "-w1280", *LOCAL
    )
    assert both.lines[0] == f"{origin.url}/picture"
    assert len(both.lines) == 5
    assert {request.path for request in origin.requests} == {"/story", "/picture"}
    assert not Path("cache").exists()

    asked = origin.asked()
    offline = Ran(capsys, "pick", "-q", "--offline", f"{origin.url}/story")
    assert (offline.code, offline.lines, origin.asked()) == (0, [f"{origin.url}/story"], asked)
    complains(capsys, 1, "HTTP 404", "pick", f"{origin.url}/gone", *LOCAL)
    complains(capsys, 1, "the body is HTML", "pick", f"{origin.url}/empty", *LOCAL)


def test_the_crawled_text_names_the_real_host(capsys: pytest.CaptureFixture[str]) -> None:
    Path("news.txt").write_text(news.text(), encoding="utf-8")
    ran = Ran(capsys, "pick", "news.txt", "-w", "800", "--json")
    picked = json.loads(ran.out)
    assert picked["url"] == (
        "https://s3-minsk.becloud.by/media-assets/news-by/bd9040db-77f4-4a9d-b29f-ecd6a784f46c/conversions/"
        "b4a0fe5d-2c2d-4f1b-a5ae-3ac601866998-lg-___webp_1280.webp"
    )
    assert len(picked["alternatives"]) == 3


def test_a_page_without_a_base_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("page.html").write_text("<img src=up/cat.webp>", encoding="utf-8")
    ran = Ran(capsys, "get", "page.html")
    assert ran.code == 2
    assert "up/cat.webp: not a URL" in ran.err
    assert "; name the page's URL with --base" in ran.err


def test_json_has_every_field_of_a_result(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "get", "news.txt", "nothing.txt", "-w", "800", "--json", *LOCAL)
    assert ran.code == 1
    good, bad = sorted(
        (json.loads(line) for line in ran.lines), key=lambda item: str(item["status"]), reverse=True
    )
    assert (good["index"], good["source"], good["origin"], good["attempts"]) == (0, "news.txt", "fetched", 1)
    assert (good["width"], good["height"], good["format"], good["error"]) == (1280, 720, "webp", None)
    assert good["verified"] == ["length", "structure", "decode"]
    assert good["choice"]["candidate"]["width"] == 1280
    assert (bad["index"], bad["path"], bad["error"]["kind"]) == (1, None, "bad_input")


def test_a_dead_rendition_is_skipped_with_a_warning(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.route(news.PATHS[1280], status(404))
    ran = Ran(capsys, "get", "news.txt", "-w", "800", *LOCAL)
    assert ran.code == 0
    assert Path(ran.lines[0]).read_bytes() == encoded("webp", 1920, 1080)
    assert "passed over" in ran.err
    assert "HTTP 404" in ran.err


def test_all_fetches_every_rendition(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "get", "news.txt", "--all", *LOCAL)
    assert (ran.code, len(set(ran.lines)), origin.asked()) == (0, 4, 4)
    assert "4 images: 4 fetched" in ran.err


def test_a_directory_gets_copies_with_readable_names(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(capsys, "get", "news.txt", "-w", "800", "-d", "out", *LOCAL)
    (path,) = map(Path, ran.lines)
    assert path.parent == Path("out")
    assert path.name.startswith("b4a0fe5d-2c2d-4f1b-a5ae-3ac601866998-lg-___webp_1280-")
    assert path.read_bytes() == encoded("webp", 1280, 720)
    assert [item.name for item in Path("out").iterdir()] == [path.name]


def test_sources_come_from_standard_input_and_from_a_list(origin: Origin) -> None:
    piped = child("get", "-", "-w", "800", *LOCAL, given=Path("news.txt").read_bytes())
    assert (piped.returncode, piped.stderr) == (0, b"")
    Path("list").write_text(f"news.txt\n\n{origin.url}{news.PATHS[480]}\n")
    listed = child("get", "-i", "list", "--files", "-w", "800", *LOCAL)
    assert (listed.returncode, len(listed.stdout.splitlines())) == (0, 2)


def test_a_list_may_be_compressed_and_other_data_is_named_in_one_line(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("list.gz").write_bytes(gzip.compress(f"\n{origin.url}{news.PATHS[480]}\n".encode()))
    ran = Ran(capsys, "get", "-i", "list.gz", *LOCAL)
    assert (ran.code, len(ran.lines)) == (0, 1)
    Path("photo.jpg").write_bytes(encoded("jpeg", 64, 48))
    complains(capsys, 2, "photo.jpg: this is a JPEG image, and not a list", "get", "-i", "photo.jpg")
    Path("cut.gz").write_bytes(gzip.compress(b"x" * 50)[:20])
    complains(capsys, 2, "cut.gz: cannot be read: ", "get", "-i", "cut.gz")


def test_a_line_without_an_end_is_one_failure_of_a_list(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{origin.url}{news.PATHS[480]}"
    with Path("list").open("wb") as file:
        file.truncate(60_000_000)  # of zeros, which take no room on disk
        file.seek(0, os.SEEK_END)
        file.write(f"\n\n{url}\n".encode())
    for command in ("get", "pick"):
        tracemalloc.start()
        try:
            ran = Ran(capsys, command, "-i", "list", *LOCAL)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert (ran.code, len(ran.lines)) == (1, {"get": 1, "pick": 2}[command])
        assert "line 1: more than 1,000,000 bytes in a line" in ran.err
        assert peak < 20_000_000
    piped = child("get", "-i", "-", *LOCAL, given=b"x" * 5_000_000 + f"\n{url}\n".encode())
    assert (piped.returncode, len(piped.stdout.splitlines())) == (1, 1)
    assert b"line 1: more than 1,000,000 bytes in a line" in piped.stderr


def test_a_line_of_a_list_names_a_file_only_where_files_are_allowed(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("list").write_text("news.txt\nmissing.txt\n")
    for command in ("get", "pick"):
        ran = Ran(capsys, command, "-i", "list", "-w", "800", "--allow-host", "127.0.0.1")
        assert (ran.code, ran.out, origin.asked()) == (2, "", 0)
        assert "news.txt: not a URL" in ran.err
        assert "with --files a line of get -i and a report name files" in ran.err
    ran = Ran(capsys, "get", "-i", "list", "--files", "-w", "800", *LOCAL)
    assert (ran.code, len(ran.lines)) == (1, 1)
    assert "missing.txt: no such file" in ran.err


def test_an_argument_with_a_scheme_is_never_a_file(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    """The URL is that of a file here as well: `http:`, a folder, and two slashes that are one."""
    url = f"{origin.url}{news.PATHS[480]}"
    Path(url).parent.mkdir(parents=True)
    Path(url).write_text("https://elsewhere.example/a.webp 480w")
    for words in (["get", url], ["get", "-i", "list", "--files"], ["batch", "list", "--to", "out"]):
        Path("list").write_text(f"{url}\n")
        ran = Ran(capsys, *words, *LOCAL)
        assert (ran.code, len(ran.lines)) == (0, 1), ran.err
    assert origin.asked(news.PATHS[480]) == 1
    Path("file://x").parent.mkdir()
    Path("file://x").write_text("https://elsewhere.example/a.webp 480w")
    assert "the scheme file: is not fetched" in Ran(capsys, "pick", "file://x").err
    srcset = "https://elsewhere.example/b.webp 480w"
    Path("https:/elsewhere.example").mkdir(parents=True)
    Path(srcset).write_text("https://elsewhere.example/a.webp 480w")
    assert Ran(capsys, "pick", "-q", srcset).lines == ["https://elsewhere.example/b.webp"]


@pytest.mark.parametrize("base", [(), ("--base", "https://base.example/")], ids=("bare", "based"))
@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("http://１２７.0.0.1:{}/ü.webp", "/%C3%BC.webp"),
        ("http://127.0.0.1:{}/it's.webp?it's", "/it's.webp?it%27s"),
    ],
)
def test_every_command_normalizes_urls(
    written: str,
    asked: str,
    base: tuple[str, ...],
    origin: Origin,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A browser writes the escapes of a path and a query, and a host in ASCII: １２７ is 127 to it."""
    asked_for = origin.route(asked, whole(encoded("webp", 480, 270), cache_control="max-age=3600"))
    url = written.format(origin.port)
    texts = (url, f"{url} 480w", f"{url} 1x, {url}?2 2x", f"prose, then {url} 480w.")
    Path("list").write_text("\n".join(texts))
    Path("page.html").write_text(f'<meta charset=utf-8><img srcset="{url} 480w">')
    Path("style.css").write_text(f'a {{ background: url("{url}") }}')
    for source in (*texts, "page.html", "style.css"):
        ran = Ran(capsys, "pick", "-q", source, "--policy", "smallest", "--offline", *base)
        assert (ran.code, ran.lines) == (0, [asked_for]), source
    listed = Ran(capsys, "get", "-q", "-i", "list", "page.html", "--policy", "smallest", *LOCAL, *base)
    assert (listed.code, len(listed.lines)) == (0, 5)
    assert {request.path for request in origin.requests} == {asked}
    assert Ran(capsys, "batch", "list", "--to", "out", "--policy", "smallest", *LOCAL, *base).code == 0
    for command in ("explain", "cache pin", "cache unpin", "cache rm"):
        assert Ran(capsys, *command.split(), url).code == 0, command
    assert Ran(capsys, "cache", "rm", asked_for).code == 1


def test_closed_and_full_streams_cause_no_traceback(origin: Origin) -> None:
    def ran(redirect: str) -> tuple[int, str]:
        command = f"{sys.executable} -m imgfetch get {redirect}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        assert "should not" not in done.stderr
        assert "ignored" not in done.stderr  # what Python says of a stream that it cannot empty as it ends
        return done.returncode, done.stdout

    assert ran("- <&-") == (2, "")
    assert ran("-i - <&-") == (2, "")
    assert ran("news.txt -w 800 --allow-host 127.0.0.1 >/dev/full")[0] == 1
    code, out = ran("news.txt -w 800 2>&-")
    assert (code, len(out.splitlines())) == (0, 1)


def test_neither_home_nor_locale_nor_a_folder_for_temporary_files_is_needed(origin: Origin) -> None:
    bare = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "TMPDIR": "/nowhere"}
    bare["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))

    def ran(*arguments: str) -> bytes:
        command = [sys.executable, "-m", "imgfetch", *arguments]
        done = subprocess.run(command, capture_output=True, env=bare, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout

    Path("news.txt").rename("ü.txt")
    assert ran("get", "ü.txt", "-w", "800", "-d", "ö", *LOCAL).endswith(b".webp\n")
    assert len(list(Path("ö").iterdir())) == 1
    Path("ü.txt").write_text("ü.webp 480w", encoding="utf-8")
    assert ran("pick", "ü.txt").startswith(b"\\xfc.webp\n")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xff\xd8" + bytes(2 * IN_MEMORY), id="as it comes"),
        pytest.param(encoded("png", 300, 240), id="as it is kept"),
    ],
)
def test_a_full_disk_ends_the_run_with_one_line_and_exit_code_3(origin: Origin, body: bytes) -> None:
    urls = [origin.route(f"/{n}.jpg", whole(body)) for n in range(200)]
    limited = f"ulimit -f 100; exec {sys.executable} -m imgfetch get -j 2 {' '.join([*LOCAL, *urls])}"
    ran = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "no space left on" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
    assert origin.asked() < 100  # what is under way when the first fails
    assert not [path for path in Path("cache").rglob("*") if path.suffix in (".part", ".jpg")]


# Bad input: one line, the documented code, nothing written


def complains(capsys: pytest.CaptureFixture[str], code: int, word: str, *arguments: str) -> None:
    before = sorted(Path().rglob("*"))
    ran = Ran(capsys, *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert len(ran.err.splitlines()) == 1, ran.err
    assert ran.err.startswith("imgfetch: ")
    assert word in ran.err
    assert "Traceback" not in ran.err
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("command", ["get", "pick"])
def test_an_input_that_cannot_be_used_is_one_line_and_exit_code_2(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("prose.txt").write_text("He said, of 480 guests, that https://h.example/a was fine.\n")
    Path("empty.txt").write_bytes(b"")
    Path("blank.txt").write_bytes(b" \n\n")
    Path("folder").mkdir()
    Path("image.dat").write_bytes(encoded("png", 9, 9))
    Path("binary.dat").write_bytes(b"\0\1\2\3")
    with Path("large.txt").open("wb") as file:
        file.truncate(64_000_000)
    complains(capsys, 2, "no image in the text", command, "prose.txt")
    Path("page.html").write_text("<!doctype html><title>A page</title><p>of words")
    complains(capsys, 2, "page.html: a page without an image", command, "page.html")
    complains(capsys, 2, "empty", command, "empty.txt")
    complains(capsys, 2, "empty", command, "blank.txt")
    complains(capsys, 2, "folder: no document with an image", command, "folder")
    complains(capsys, 2, "image.dat: a PNG image; a page, a feed or", command, "image.dat")
    complains(capsys, 2, "binary data", command, "binary.dat")
    complains(capsys, 2, "larger than 64 MB", command, "large.txt")
    complains(capsys, 2, "no such file", command, "missing.txt")
    complains(capsys, 2, "no such file; nor is it a URL", command, "www.example.org/a.webp")
    complains(capsys, 2, "no such file", command, "www.example.org\0/a.webp".replace("\0", "%00"))
    complains(capsys, 2, "ftp:", command, "ftp://h.example/a.webp")
    complains(capsys, 2, "file:", command, "file:///etc/passwd")
    complains(capsys, 2, "host is missing", command, "http://")
    complains(capsys, 2, "no image in the text", command, "some words, and more")
    complains(capsys, 2, "an empty text", command, " ")
    fast = f"--fast; see imgfetch {command} --help"
    complains(capsys, 2, fast, command, "--fast", "https://h.example/a.webp")
    complains(capsys, 2, f"no SOURCE was given; see imgfetch {command} --help", command)
    for host in ("http://h.example/", "127.0.0.1:8000", "10.0.0.0/99", "a.example,b.example", " "):
        complains(capsys, 2, "not a host, an address", command, "https://h.example/", "--allow-host", host)
    complains(capsys, 2, "0 is too few", command, "-w", "0", "https://h.example/a.webp")
    complains(capsys, 2, "1280x720@2", command, "--viewport", "wide", "https://h.example/a.webp")
    complains(capsys, 2, "missing.lst", command, "-i", "missing.lst")
    complains(capsys, 2, "expected a source a line", command, "-i", "blank.txt")
    complains(capsys, 2, "COMMAND")
    complains(capsys, 2, "see imgfetch cache prune --help", "cache", "prune", "--fast")
    complains(capsys, 2, "fetch", "fetch", "https://h.example/a.webp")


def test_a_folder_that_is_not_a_cache_is_one_line_and_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("mine")
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("mine")
    for cache, word in (("file", "is a file"), ("mine", "not a cache")):
        complains(capsys, 3, word, "get", "http://127.0.0.1:9/a.webp", "--cache", cache, *LOCAL)
        complains(capsys, 3, word, "cache", "ls", "--cache", cache)
    assert Path("file").read_text() == "mine"


@pytest.mark.parametrize("action", ["info", "ls", "verify", "prune"])
def test_inspecting_a_missing_cache_is_one_line_and_exit_code_3(
    action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    for name in ("typo", "empty"):
        complains(capsys, 3, f"/{name}: no cache found; --cache DIR", "cache", action, "--cache", name)
    assert [path.name for path in Path().rglob("*")] == ["empty"]


def test_all_fetches_only_renditions_of_the_given_formats(capsys: pytest.CaptureFixture[str]) -> None:
    text = "https://h.example/a.webp 480w, https://h.example/b.jpg 800w, https://h.example/c 900w"
    ran = Ran(capsys, "pick", "-q", "--all", "--formats", "webp", text)
    assert (ran.code, ran.out, ran.err) == (0, "https://h.example/a.webp\nhttps://h.example/c\n", "")
    none = Ran(capsys, "pick", "--all", "--formats", "gif", text.rpartition(",")[0])
    assert (none.code, none.out) == (2, "")
    assert none.err.endswith(": no candidate in gif, but https://h.example/a.webp and 1 more\n")


def test_a_name_full_of_control_characters_is_printed_harmlessly(capsys: pytest.CaptureFixture[str]) -> None:
    complains(capsys, 2, r"\x1b]0;owned\x07", "get", "\x1b]0;owned\x07.txt")
    complains(capsys, 2, "\\u202e", "pick", "a\u202eb.txt")


def test_a_failed_fetch_is_exit_code_1_and_names_the_url_without_its_secrets(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(capsys, "get", origin.url.replace("//", "//u:pw@") + "/gone?sig=SECRET", *LOCAL)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"imgfetch: {origin.url}/gone?sig=…: HTTP 404\n"


def test_the_refusal_of_an_internal_address_names_the_option_that_allows_it(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(capsys, "get", origin.url + "/a")
    assert ran.code == 1
    assert "127.0.0.1 is an internal address; allow it with --allow-host 127.0.0.1" in ran.err
    assert origin.asked() == 0


@pytest.mark.parametrize(
    "words",
    [
        ["get", "a.webp", "-w", "8"],
        ["get", "--help"],
        ["get", "--vers"],
        ["get", "pick", "--no-such"],
        ["get", "-w"],
        ["cache"],
        ["cache", "no-such"],
        ["cache", "ls", "-h"],
        ["demo", "get"],
    ],
    ids=" ".join,
)
def test_a_parser_of_one_command_reads_its_lines_like_that_of_all_commands(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def read(*, alone: bool) -> tuple[object, ...]:
        parser, _ = options.build(words[0], alone=alone)
        try:
            found: object = [vars(parser.parse_known_args(words)[0]), parser.parse_known_args(words)[1]]
        except (InputError, SystemExit) as error:
            found = str(error)
        return found, capsys.readouterr()

    assert read(alone=True) == read(alone=False)


# The cache


def test_the_cache_can_be_listed_and_verified(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = Ran(capsys, "get", "news.txt", "-w", "800", *LOCAL).lines
    listed = Ran(capsys, "cache", "ls").out
    assert "1280x720" in listed
    assert Path(path).stem[:16] in listed
    info = json.loads(Ran(capsys, "cache", "info", "--json").out)
    assert (info["entries"], info["objects"], info["bytes"]) == (1, 1, Path(path).stat().st_size)
    assert Ran(capsys, "cache", "verify", "--deep").code == 0

    with Path(path).open("r+b") as file:
        file.seek(500)
        file.write(b"damage")
    damaged = Ran(capsys, "cache", "verify")
    assert damaged.code == 4
    assert Path(path).name in damaged.out
    assert not Path(path).exists()
    assert Ran(capsys, "cache", "verify").code == 0
    assert Ran(capsys, "get", "news.txt", "-w", "800", *LOCAL).lines == [path]
    assert origin.asked() == 2


# Processes


def test_a_warm_get_imports_what_it_needs_and_no_network_code(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    Ran(capsys, "get", "news.txt", "-w", "800", *LOCAL)
    program = (
        "import sys; from imgfetch.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'asyncio', 'httpx', 'h11', 'socket', 'ssl', 'PIL', 'tenacity', 'rich', 'anyio',"
        " 'hashlib', 'json', 'shutil', 'datetime'}; "
        "sys.exit(code or ' '.join(heavy & set(sys.modules)) or 0)"
    )
    warm = subprocess.run(
        [sys.executable, "-c", program, "get", "news.txt", "-w", "800"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (warm.returncode, warm.stderr) == (0, "")
    assert origin.asked() == 1


@pytest.mark.parametrize(
    ("level", "unneeded"),
    [
        ("structure", {"PIL"}),
        ("full", {"PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.GifImagePlugin", "PIL.AvifImagePlugin"}),
    ],
)
def test_a_successful_download_imports_only_what_it_needs(
    origin: Origin, level: str, unneeded: set[str]
) -> None:
    Path("list").write_text(f"{origin.url}{news.PATHS[480]}\n", encoding="utf-8")
    program = (
        "import sys; from imgfetch.cli import main; code = main(sys.argv[1:]); "
        "print(*set(sys.modules), file=sys.stderr); sys.exit(code)"
    )
    cold = subprocess.run(
        [sys.executable, "-c", program, "get", "-i", "list", "--verify", level, *LOCAL],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (cold.returncode, origin.asked()) == (0, 1)
    repeats = {"tenacity", "httpx", "httpcore", "anyio", "rich", "certifi", "urllib.request", "email", "json"}
    repeats |= {"h11", "encodings.idna", "datetime"}
    repeats |= {"imgfetch.http.h11_fallback", "imgfetch.engine.robots", "imgfetch.formats.other_types"}
    markup = {"imgfetch.markup.plain_text", "imgfetch.markup.srcset", "imgfetch.markup.urls", "turbohtml"}
    markup |= {"ada_url"}
    assert not (repeats | markup | unneeded) & {*cold.stderr.split()}


def test_the_lines_of_a_file_are_looked_up_together_and_those_of_a_pipe_answered_one_by_one(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = [origin.url + path for path in news.PATHS.values()]
    held, others = urls[:2], urls[2:]
    one_by_one = [line for url in held for line in Ran(capsys, "get", url, *LOCAL).lines]
    listed = [held[0], others[0], held[1], "no such file", held[0], others[1], held[1]]
    Path("list").write_text("".join(f"{line}\n" for line in listed), encoding="utf-8")

    ran = Ran(capsys, "get", "-i", "list", "--json", *LOCAL)
    said = {each["index"]: each for each in map(json.loads, ran.lines)}
    assert [said[index]["source"] for index in range(7)] == [listed[index] for index in range(7)]
    assert [said[index]["path"] for index in (0, 2, 4, 6)] == [one_by_one[place] for place in (0, 1, 0, 1)]
    assert [said[index]["origin"] for index in (0, 1, 5)] == ["cached", "fetched", "fetched"]
    assert (ran.code, said[3]["status"], origin.asked()) == (1, "error", 4)

    os.mkfifo("pipe")
    with running("get", "-q", "-i", "pipe") as process, Path("pipe").open("w", encoding="utf-8") as pipe:
        assert process.stdout is not None
        for url, path in zip(held, one_by_one, strict=True):
            print(url, file=pipe, flush=True)
            assert select.select([process.stdout], [], [], 30)[0], "the answer is held back"
            assert process.stdout.readline() == f"{path}\n"


def test_a_closed_pipe_causes_no_traceback(origin: Origin) -> None:
    command = f"{sys.executable} -m imgfetch get news.txt --all --allow-host 127.0.0.1 | true"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr
    assert "Exception" not in ran.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_one_line_and_leaves_no_staged_body(
    origin: Origin, number: int, code: int
) -> None:
    url = origin.route("/slow", stall(head(content_length=IN_MEMORY + 2) + bytes(IN_MEMORY + 1), 20))
    with running("get", url, *LOCAL) as process:
        while not (origin.asked("/slow") and list(Path("cache").glob("scratch-v1/*.part"))):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=4)
    assert (process.returncode, out) == (code, "")
    assert len(err.splitlines()) == 1, err
    assert not list(Path("cache").glob("scratch-v1/*.part"))


def test_a_signal_is_handled_after_the_event_loop_as_before_it() -> None:
    async def nothing() -> None:
        assert signal.getsignal(signal.SIGTERM) is not mine

    def mine(*_: object) -> None:
        raise AssertionError("nobody sends one")

    before = signal.signal(signal.SIGTERM, mine)
    try:
        run_async.run(nothing())
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_killed_run_loses_only_the_images_in_flight(origin: Origin) -> None:
    pictures = [encoded("webp", 64 + number, 48) for number in range(40)]
    urls = [origin.route(f"/{n}.webp", slowly(body, pause=0.02)) for n, body in enumerate(pictures)]
    Path("list").write_text("\n".join(urls))
    with running("get", "-i", "list", "--per-host", "3", *LOCAL) as process:
        assert process.stdout is not None
        before = [process.stdout.readline().strip() for _ in range(8)]
        process.kill()

    visible = [path for path in Path("cache/objects-v1").rglob("*") if path.is_file()]
    assert {Path(path).resolve() for path in before} <= {path.resolve() for path in visible}
    assert all(path.read_bytes() in pictures for path in visible)
    check = child("cache", "verify", "--deep")
    assert (check.returncode, check.stdout) == (0, b"")

    asked = origin.asked()
    again = child("get", "-i", "list", *LOCAL)
    assert (again.returncode, len(again.stdout.splitlines())) == (0, 40)
    assert origin.asked() - asked <= 40 - len(before)


def test_the_demo_runs_the_main_job_and_leaves_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, "demo")
    assert ran.code == 0
    assert "1280w is the smallest of 4 that covers 800 device pixels" in ran.out
    assert "asked 1 time in all" in ran.out
    assert list(Path().iterdir()) == []
