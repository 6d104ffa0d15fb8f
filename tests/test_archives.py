"""HAR and WARC archives: the images of recorded pages, from the archive where it has them."""

from __future__ import annotations

import json
import sys
import tracemalloc
from base64 import b64encode
from email.message import EmailMessage
from gzip import compress
from io import BytesIO
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest

from command import LOCAL, Ran
from imgfetch import find_images
from imgfetch.api import sources
from imgfetch.readers.containers import warc as warc_reader
from origin import Origin, whole
from pictures import encoded

if TYPE_CHECKING:
    from imgfetch.model.markup import SourceSet

PNG, JPEG, OTHER = encoded("png", 30, 20), encoded("jpeg", 40, 30), encoded("webp", 20, 20)
H = "https://h.example"
PAGE = b"<link rel=stylesheet href=/s.css><img src=a.png alt=a><img src=/moved.jpg><img src=/gone.jpg>"
STYLE = b"body { background: url(/other.webp) } .x { background: url(/unused.png) }"
IMAGES = [
    ("a.png", f"{H}/dir/a.png", PNG),
    ("moved", f"{H}/moved.jpg", JPEG),
    ("gone", f"{H}/gone.jpg", None),
    ("other", f"{H}/other.webp", OTHER),
    ("script", f"{H}/by-script.webp", OTHER),
]
"""The images of the archives below: URLs in their order, and the bytes that the archive has."""


def seen(images: tuple[SourceSet, ...]) -> list[tuple[str, bytes | object | None]]:
    """Return the URL of each image, and its bytes if the archive has them."""
    return [
        (image.candidates[0].url, image.embedded[0].read(10**7) if image.embedded else None)
        for image in images
        if image.candidates
    ]


def names_of(images: tuple[SourceSet, ...]) -> list[str]:
    return [each.url for image in images for each in image.candidates]


def problems(images: tuple[SourceSet, ...]) -> list[str]:
    return [each.reason for image in images for each in image.problems]


# HAR


def entry(url: str, media_type: str, body: bytes, *, status: int = 200, redirect: str = "") -> dict[str, Any]:
    return {
        "startedDateTime": "2024-05-26T08:00:00.000Z",
        "request": {"method": "GET", "url": url},
        "response": {
            "status": status,
            "headers": [{"name": "Last-Modified", "value": "x"}, {"name": "Set-Cookie", "value": "secret=1"}],
            "redirectURL": redirect,
            "content": {"mimeType": media_type, "text": b64encode(body).decode(), "encoding": "base64"},
        },
    }


ENTRIES = [
    entry(f"{H}/dir/page", "text/html; charset=utf-8", PAGE),
    entry(f"{H}/s.css", "text/css", STYLE),
    entry(f"{H}/dir/a.png", "image/png", PNG),
    entry(f"{H}/moved.jpg", "text/html", b"moved", status=302, redirect="https://cdn.example/real"),
    entry("https://cdn.example/real", "application/octet-stream", JPEG),
    entry(f"{H}/gone.jpg", "text/html", b"<img src=/never.png>", status=404),
    entry(f"{H}/other.webp", "image/webp", OTHER),
    entry(f"{H}/by-script.webp", "image/webp", OTHER),
    {"request": None, "response": []},
]


def har(entries: list[dict[str, Any]] = ENTRIES) -> str:
    return json.dumps({"log": {"version": "1.2", "pages": [{"title": '"entries": ['}], "entries": entries}})


def test_a_har_gives_the_images_of_its_pages_and_those_that_no_page_names() -> None:
    for text in (har(), har().encode(), har().encode("utf-16")):
        found = find_images(text)
        assert seen(found) == [(url, body) for _, url, body in IMAGES]
    assert [image.kind for image in found] == ["img", "img", "img", "css", "file"]
    assert {image.page for image in found[:3]} == {f"{H}/dir/page"}
    body = found[0].embedded[0]
    assert (body.headers, body.date) == ((("last-modified", "x"),), 1716710400.0)


def test_a_har_without_bodies_gives_the_urls_of_the_images_in_it() -> None:
    def bare(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        copied: list[dict[str, Any]] = json.loads(json.dumps(entries))
        for each in copied:
            (each["response"] or {"content": {}})["content"].pop("text", None)
        return copied

    a, other, script = f"{H}/dir/a.png", f"{H}/other.webp", f"{H}/by-script.webp"
    assert seen(find_images(har(bare(ENTRIES)))) == [(a, None), (other, None), (script, None)]
    page, *others = ENTRIES
    by_page = [(a, None), (f"{H}/moved.jpg", None), (f"{H}/gone.jpg", None)]
    assert seen(find_images(har([page, *bare(others)]))) == [*by_page, (other, None), (script, None)]
    assert seen(find_images(har([*bare(ENTRIES[2:3]), *ENTRIES[2:3]]))) == [(a, PNG)]
    missing = entry(f"{H}/missing.png", "image/png", b"", status=404)
    assert seen(find_images(har(bare([*ENTRIES[2:3], *ENTRIES[2:3], missing])))) == [(a, None)]


def test_a_page_recorded_as_text_is_read_too() -> None:
    page = entry(f"{H}/", "text/html", b"")
    page["response"]["content"] = {"mimeType": "text/html", "text": "<img src=größe.jpg alt=Größe>"}
    (found,) = find_images(har([page]))
    assert (found.alt, found.candidates[0].url) == ("Größe", f"{H}/gr%C3%B6%C3%9Fe.jpg")


def test_a_har_that_is_cut_off_gives_the_entries_before() -> None:
    text = har()
    found = find_images(text[: text.index("/moved.jpg")], media_type="application/har+json")
    assert seen(found)[0] == (f"{H}/dir/a.png", PNG)


def test_a_har_that_is_cut_off_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("cut.har").write_text(har()[:-2000])
    ran = Ran(capsys, "pick", "cut.har", "-q")
    assert ran.lines[0] == f"{H}/dir/a.png"
    assert [line for line in ran.err.splitlines() if "cut off" in line] == ran.err.splitlines()[:1]


@pytest.mark.parametrize(
    "text",
    [
        '{"log":{"entries":[',
        '{"log":{"entries":[1,2,{}]}}',
        '{"log":{"entries":' + "[" * 100_000,
        '{"log":{"entries":[{"request":' + '{"a":' * 100_000,
        '{"log":{"entries":[{"request":{"url":' + "9" * 10_000 + "}}]}}",
        '{"log":{"entries":[{"request":{"url":"x"},"response":{"status":"200","content":{"text":[]}}}]}}',
        '{"log":{"entries":[{"request":{"url":"http://[","x":1},"response":{"status":302,"redirectURL":"http://["}}]}}',
        "",
    ],
)
def test_noise_as_a_har_never_raises(text: str, tmp_path: Path) -> None:
    from imgfetch.model.document import Document
    from imgfetch.readers.documents import each_image

    assert all(not image.candidates for image in each_image(Document(text, name="x.har")))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["shop.har", "shop.warc.gz", "shop.warc"])
def test_get_keeps_what_the_archive_has_without_a_request(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_bytes(har().encode() if name.endswith("har") else warc(gzip=name.endswith("gz")))
    ran = Ran(capsys, "get", name, "--offline", "--json")
    found = sorted(map(json.loads, ran.lines), key=lambda image: int(image["place"]))
    assert [image["status"] for image in found] == ["ok", "ok", "error", "ok", "ok"]
    assert [image["url"] for image in found] == [url for _, url, _ in IMAGES]
    kept = [Path(image["path"]).read_bytes() for image in found if image["path"]]
    assert kept == [body for _, _, body in IMAGES if body]
    assert {image["origin"] for image in found if image["path"]} == {"embedded"}
    # What an archive says about a URL is not what its origin answers.
    assert Ran(capsys, "get", f"{H}/dir/a.png", "--offline").code == 1


# WARC


def record(
    url: str, block: bytes, *, kind: str = "response", date: str = "2024-05-26T08:00:00Z", **fields: str
) -> bytes:
    """Return a WARC record (ISO 28500)."""
    media_type = "application/http; msgtype=response" if kind != "warcinfo" else "application/warc-fields"
    head = {"WARC-Type": kind, "WARC-Target-URI": url, "WARC-Date": date, "Content-Type": media_type}
    head |= {name.replace("_", "-"): value for name, value in fields.items()}
    head["Content-Length"] = str(len(block))
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items() if value)
    return b"WARC/1.1\r\n" + lines.encode() + b"\r\n" + block + b"\r\n\r\n"


def http(media_type: str, body: bytes, status: str = "200 OK", **fields: str) -> bytes:
    """Return an HTTP response."""
    head = {"Content-Type": media_type} | {name.replace("_", "-"): value for name, value in fields.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items() if value)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def chunked(data: bytes) -> bytes:
    pieces = (data[at : at + 7] for at in range(0, len(data), 7))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


RECORDS = [
    record("", b"software: test\r\n", kind="warcinfo"),
    record(f"{H}/dir/page", http("text/html", compress(PAGE), Content_Encoding="gzip")),
    record(f"{H}/s.css", http("text/css", chunked(STYLE), Transfer_Encoding="chunked")),
    record(f"{H}/dir/a.png", http("image/png", PNG)),
    record(f"{H}/moved.jpg", http("text/html", b"moved", "302 Found", Location="//cdn.example/real")),
    record("https://cdn.example/real", http("", JPEG)),
    record(f"{H}/gone.jpg", http("text/html", b"<img src=/never.png>", "404 Not Found")),
    record(f"{H}/other.webp", http("image/webp", OTHER)),
    record(f"{H}/by-script.webp", http("image/webp", OTHER)),
]


def warc(records: list[bytes] = RECORDS, *, gzip: bool = True) -> bytes:
    return b"".join(map(compress, records) if gzip else records)


@pytest.mark.parametrize("gzip", [True, False])
def test_a_warc_gives_the_images_of_its_pages_and_those_that_no_page_names(gzip: bool) -> None:
    found = find_images(warc(gzip=gzip))
    assert seen(found) == [(url, body) for _, url, body in IMAGES]
    assert found[0].embedded[0].date == 1716710400.0
    assert found[0].page == f"{H}/dir/page"


def test_a_revisit_has_the_body_of_the_record_that_it_repeats() -> None:
    revisit = {"kind": "revisit", "block": http("image/png", b"")}
    for told in ({"WARC_Payload_Digest": "sha1:X"}, {"WARC_Refers_To_Target_URI": f"{H}/a.png"}):
        archive = warc(
            [
                record(f"{H}/a.png", http("image/png", PNG), WARC_Payload_Digest="sha1:X"),
                record(f"{H}/", http("text/html", b"<img src=/copy.png><img src=/lost.png>")),
                record(f"{H}/copy.png", **revisit, **told),  # type: ignore[arg-type]
                record(f"{H}/lost.png", **revisit, WARC_Payload_Digest="sha1:Y"),  # type: ignore[arg-type]
            ]
        )
        assert seen(find_images(archive)) == [
            (f"{H}/copy.png", PNG),
            (f"{H}/lost.png", None),
            (f"{H}/a.png", PNG),
        ]


def test_a_coding_that_is_not_read_is_said_and_one_that_was_undone_is_not_minded() -> None:
    brotli = bytes.fromhex("1b0300f825000000a4b0b220")
    archive = warc(
        [
            record(f"{H}/1", http("text/html", brotli, Content_Encoding="br")),
            record(f"{H}/2", http("text/html", b"<img src=/a.png>", Content_Encoding="br")),
            record(f"{H}/a.png", http("image/png", PNG, Content_Encoding="br")),
        ]
    )
    found = find_images(archive)
    assert seen(found) == [(f"{H}/a.png", PNG)]
    assert problems(found) == [
        f"a page of the archive is left out: {H}/1: its content coding 'br' is not read here"
    ]


def test_of_several_captures_the_one_nearest_to_the_page_is_taken() -> None:
    archive = warc(
        [
            record(f"{H}/a", http("image/png", PNG), date="2020-01-01T00:00:00Z"),
            record(f"{H}/a", http("image/jpeg", JPEG), date="2024-05-26T09:00:00Z"),
            record(f"{H}/", http("text/html", b"<img src=/a>")),
        ]
    )
    assert seen(find_images(archive)) == [(f"{H}/a", JPEG)]


def test_without_the_extra_one_line_names_it(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "warcio", None)
    Path("a.warc").write_bytes(warc(gzip=False))
    ran = Ran(capsys, "get", "a.warc")
    assert ran.code
    assert ran.err.splitlines() == [
        "imgfetch: a.warc: a WARC archive needs the extra: pip install 'imgfetch[warc]'"
    ]


@pytest.mark.parametrize("gzip", [True, False])
def test_a_warc_that_is_cut_off_gives_what_stands_before(
    gzip: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = warc(gzip=gzip)
    for end in range(10, len(whole), 211):
        find_images(whole[:end], media_type="application/warc")
    found = find_images(whole[:-400], media_type="application/warc")
    assert seen(found)[0] == (f"{H}/dir/a.png", PNG)
    for at in range(0, len(whole), 131):
        for image in find_images(whole[:at] + b"\xff\x00" + whole[at + 2 :], media_type="application/warc"):
            for body in image.embedded:
                body.read(10**6)
    assert capsys.readouterr() == ("", "")


def test_a_warc_in_one_gzip_stream_says_what_helps() -> None:
    found = find_images(compress(warc(gzip=False)))
    assert "warcio recompress" in problems(found)[-1]


def test_a_bomb_is_read_to_the_limit_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc_reader, "MAX_UNPACKED", 20_000_000)
    bomb = record(f"{H}/bomb.png", http("image/png", bytes(60_000_000)))
    archive = warc([record(f"{H}/a.png", http("image/png", PNG)), bomb])
    tracemalloc.start()
    found = find_images(archive)
    assert problems(found) == ["the web archive unpacks to too much; the rest is not read"]
    (body,) = found[1].embedded
    assert len(body.read(1_000_000)) < 1_200_000
    assert tracemalloc.get_traced_memory()[1] < 25_000_000
    tracemalloc.stop()


def test_bombs_inside_records_are_read_to_the_limit_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc_reader, "MAX_UNPACKED", 20_000_000)
    monkeypatch.setattr(warc_reader, "MAX_RATIO", 1)
    bomb = compress(b" " * 15_000_000)
    pages = [record(f"{H}/{n}", http("text/html", bomb, Content_Encoding="gzip")) for n in range(20)]
    found = find_images(warc([*pages, record(f"{H}/a.png", http("image/png", PNG))], gzip=False))
    assert problems(found) == [
        f"18 pages of the archive are left out: {H}/2: the web archive unpacks to too much"
    ]
    assert names_of(found) == [f"{H}/a.png"]


def test_megabytes_take_linear_time_and_ten_times_their_size_at_most() -> None:
    def seconds(make: Any, size: int) -> float:  # noqa: ANN401 (one of two functions)
        data = make(size)
        start = process_time()
        find_images(data)
        taken = process_time() - start
        tracemalloc.start()
        for image in find_images(data):
            for body in image.embedded:
                body.read(10**8)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10 * len(data)
        return taken

    def large_har(size: int) -> bytes:
        return har([entry(f"{H}/{number}.png", "image/png", PNG * 10) for number in range(size)]).encode()

    def large_warc(size: int) -> bytes:
        pictures = [record(f"{H}/{number}.png", http("image/png", PNG * 10)) for number in range(size)]
        return warc(pictures, gzip=False)

    for make in (large_har, large_warc):
        assert seconds(make, 400) < 20 * max(seconds(make, 50), 0.02)


# Archives larger than what is read of other sources


@pytest.mark.usefixtures("home")
def test_an_archive_larger_than_other_sources_is_mapped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sources, "MAX_TEXT", 3_000)
    book = BytesIO()
    with ZipFile(book, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("a.xhtml", "<html xmlns='http://www.w3.org/1999/xhtml'><img src='a.jpg'/></html>")
        archive.writestr("a.jpg", JPEG)
        archive.writestr("noise", bytes(4_000))
    mail = EmailMessage()
    mail["From"], mail["To"] = "a@h.example", "b@h.example"
    mail.set_content("<img src=cid:a>", subtype="html")
    mail.add_related(PNG + bytes(4_000), "image", "png", cid="<a>")
    files = {"a.warc": warc(gzip=False), "a.warc.gz": warc(), "a.epub": book.getvalue(), "a.eml": bytes(mail)}
    for name, data in files.items():
        Path(name).write_bytes(data + bytes(4_000) * (name == "a.warc.gz"))
        ran = Ran(capsys, "pick", name, "-q")
        assert ran.lines, (name, ran.err)
    Path("a.har").write_text(har())
    assert "larger than" in Ran(capsys, "pick", "a.har").err
    assert Ran(capsys, "get", "a.eml").images == [PNG + bytes(4_000)]


# What a file says must not reach the caller's secrets


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["a.eml", "a.mhtml", "a.har", "a.warc"])
def test_headers_of_the_caller_are_not_sent_where_a_file_of_a_stranger_leads(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Origin() as origin:
        origin.route("/a.png", whole(PNG))
        page = f"<base href='{origin.url}/'><img src='{origin.url}/a.png'>".encode()
        head = f"Snapshot-Content-Location: {origin.url}/\r\nContent-Type: text/html\r\n\r\n".encode()
        data = {
            "a.eml": b"From: a@b\r\n" + head + page,
            "a.mhtml": b"From: <Saved by Blink>\r\n" + head + page,
            "a.har": har([entry(f"{origin.url}/", "text/html", page)]).encode(),
            "a.warc": record(f"{origin.url}/", http("text/html", page)),
        }[name]
        Path(name).write_bytes(data)
        ran = Ran(capsys, "get", name, "-H", "Authorization: Bearer secret", "-H", "X-Key: secret", *LOCAL)
        assert ran.images == [PNG], ran.err
        (request,) = origin.requests
        assert "secret" not in str(request.headers)


@pytest.mark.usefixtures("home")
def test_what_an_archive_lacks_is_requested(capsys: pytest.CaptureFixture[str]) -> None:
    with Origin() as origin:
        origin.route("/gone.jpg", whole(JPEG))
        page = b"<img src=/gone.jpg><img src=/here.png>"
        archive = [
            record(f"{origin.url}/", http("text/html", page)),
            record(f"{origin.url}/here.png", http("image/png", PNG)),
        ]
        Path("a.warc").write_bytes(warc(archive, gzip=False))
        ran = Ran(capsys, "get", "a.warc", *LOCAL)
        assert sorted(ran.images) == sorted([JPEG, PNG])
        assert [request.path for request in origin.requests] == ["/gone.jpg"]
        assert "1 fetched" in ran.err
        assert "1 embedded" in ran.err


@pytest.mark.usefixtures("home")
def test_a_lock_gives_the_images_of_an_archive_again(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.har").write_text(har([*ENTRIES[2:3]]))
    lock = ["--lock", "imgfetch.lock"]
    assert Ran(capsys, "get", "a.har", *lock).images == [PNG]
    assert Ran(capsys, "get", "a.har", *lock, "--locked", "--cache", "other").images == [PNG]
    Path("a.har").write_text(har([entry(f"{H}/dir/a.png", "image/png", JPEG)]))
    ran = Ran(capsys, "get", "a.har", *lock, "--locked", "--cache", "another")
    assert (ran.code, "sha256" in ran.err) == (1, True), ran.err
