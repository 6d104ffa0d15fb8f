"""EPUB books: the cover, then the images of the texts in the order of reading, from the book itself."""

from __future__ import annotations

import json
import struct
import tracemalloc
from io import BytesIO
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest

from command import Ran
from imgfetch import find_images
from imgfetch.readers.containers import epub, zip_files
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.model.markup import SourceSet

COVER, PLATE, OTHER = encoded("jpeg", 60, 90), encoded("png", 30, 20), encoded("webp", 50, 50)
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles>'
    "</container>"
)
PACKAGE = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0"><manifest>
<item id="b" href="text/b.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/a%20first.xhtml" media-type="application/xhtml+xml"/>
<item id="p" href="img/plate%20one.png" media-type="image/png"/>
<item id="o" href="img/other.webp" media-type="image/webp"/>
<item id="c" href="img/cover.jpg" media-type="image/jpeg" properties="cover-image"/>
<item id="s" href="style.css" media-type="text/css"/>
</manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>"""


def xhtml(body: str) -> str:
    head = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>'
    return f"{head}{body}</body></html>"


FILES: dict[str, str | bytes] = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/content.opf": PACKAGE,
    "OEBPS/text/b.xhtml": xhtml('<img src="https://h.example/remote.jpg" alt="far"/>'),
    "OEBPS/text/a first.xhtml": xhtml(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        '<image xlink:href="../img/cover.jpg"/></svg><img src="../img/plate%20one.png" alt="plate"/>'
    ),
    "OEBPS/img/cover.jpg": COVER,
    "OEBPS/img/plate one.png": PLATE,
    "OEBPS/img/other.webp": OTHER,
    "OEBPS/style.css": "body { background: url(img/other.webp) }",
}


def book(others: Mapping[str, str | bytes | None] = FILES, compression: int = ZIP_DEFLATED) -> bytes:
    """Return a book of `FILES` and `others`; None leaves one out."""
    target = BytesIO()
    with ZipFile(target, "w", compression) as archive:
        for name, data in {**FILES, **others}.items():
            if data is not None:
                archive.writestr(name, data, ZIP_STORED if name == "mimetype" else compression)
    return target.getvalue()


def found_in(data: bytes) -> tuple[SourceSet, ...]:
    return find_images(data, media_type="application/epub+zip")


def names(images: tuple[SourceSet, ...]) -> list[str]:
    return [each.url.rpartition("/")[2] for image in images for each in image.candidates]


def problems(images: tuple[SourceSet, ...]) -> list[str]:
    return [each.reason for image in images for each in image.problems]


def test_the_cover_comes_first_then_the_images_of_the_texts_in_the_order_of_reading() -> None:
    found = found_in(book())
    assert names(found) == ["cover.jpg", "plate%20one.png", "remote.jpg", "other.webp"]
    assert [image.kind for image in found] == ["file", "img", "img", "css"]
    bodies = [body.read(10**6) for image in found for body in image.embedded]
    assert bodies == [COVER, PLATE, OTHER]
    assert {image.page for image in found} == {""}  # the book is the page


def test_images_that_no_text_names_come_last() -> None:
    found = found_in(book({"OEBPS/style.css": None, "iTunesArtwork.jpg": COVER}))
    assert names(found) == ["cover.jpg", "plate%20one.png", "remote.jpg", "other.webp", "iTunesArtwork.jpg"]
    assert [image.kind for image in found if image.candidates][3:] == ["file", "file"]


def test_the_cover_of_an_old_book_is_named_by_a_meta_element() -> None:
    package = PACKAGE.replace(' properties="cover-image"', "").replace(
        "<manifest>", '<metadata><meta name="cover" content="o"/></metadata><manifest>'
    )
    assert names(found_in(book({"OEBPS/content.opf": package})))[0] == "other.webp"


def test_a_book_without_its_package_is_read_by_the_names_of_its_files() -> None:
    found = found_in(book({"OEBPS/content.opf": None, "META-INF/container.xml": None}))
    assert sorted(names(found)) == ["cover.jpg", "other.webp", "plate%20one.png", "remote.jpg"]


@pytest.mark.usefixtures("home")
def test_get_keeps_the_images_of_a_book_without_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    text = FILES["OEBPS/text/b.xhtml"]
    assert isinstance(text, str)
    Path("novel.epub").write_bytes(
        book({"OEBPS/text/b.xhtml": text.replace("https://h.example/", "../img/")})
    )
    ran = Ran(capsys, "get", "novel.epub", "-d", "copies", "--json", "--offline")
    found = sorted(map(json.loads, ran.lines), key=lambda image: int(image["place"]))
    assert [image["status"] for image in found] == ["ok", "ok", "error", "ok"]
    assert found[2]["error"]["message"] == "the book has no such file"
    kept = [image["path"] for image in found if image["path"]]
    assert [Path(path).read_bytes() for path in kept] == [COVER, PLATE, OTHER]
    assert [Path(path).name.rpartition("-")[0] for path in kept] == ["cover", "plate-one", "other"]
    assert sorted(path.name for path in Path().iterdir()) == ["cache", "copies", "novel.epub"]


def test_of_a_long_text_the_beginning_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epub, "MAX_TEXT", 2_000)
    text = xhtml('<img src="../img/other.webp"/>' + "<p>words</p>" * 500)
    found = find_images(book({"OEBPS/text/b.xhtml": text}))
    assert "epub:///OEBPS/img/other.webp" in [each.url for image in found for each in image.candidates]
    said = [problem.reason for image in found for problem in image.problems]
    assert said[0] == "OEBPS/text/b.xhtml: only its first 2,000 bytes are read"


def test_names_that_lead_out_of_the_archive_are_keys_and_no_paths() -> None:
    text = xhtml('<img src="../../../../etc/passwd"/><img src="/etc/passwd"/><img src="file:///etc/passwd"/>')
    found = found_in(book({"OEBPS/text/b.xhtml": text, "../../../evil.png": PLATE}))
    for image in found:
        for body in image.embedded:
            assert body.read(10**6) in (COVER, PLATE, OTHER)
    assert sum(not image.embedded for image in found) == 3


# Bad input


def test_an_encrypted_book_says_so_once() -> None:
    uris = "".join(
        f'<CipherReference URI="OEBPS/{name}"/>' for name in ("text/b.xhtml", "text/a%20first.xhtml")
    )
    uris += '<CipherReference URI="OEBPS/img/other.webp"/>'
    found = found_in(book({"META-INF/encryption.xml": f"<encryption>{uris}</encryption>"}))
    assert problems(found) == [
        "2 texts of the book are left out: OEBPS/text/a first.xhtml: it is encrypted, as the book says"
    ]
    assert names(found)[0] == "cover.jpg"
    other = next(body for image in found for body in image.embedded if body.url.endswith("other.webp"))
    assert "encrypted" in str(other.read(10**6))


def test_a_damaged_file_does_not_spoil_the_others() -> None:
    data = book(compression=ZIP_STORED)
    at = data.index(b"remote.jpg")
    found = found_in(data[:at] + b"REMOTE" + data[at + 6 :])
    assert names(found) == ["cover.jpg", "plate%20one.png", "other.webp"]
    assert problems(found) == [
        "a text of the book is left out: OEBPS/text/b.xhtml: it is damaged in the ZIP archive"
    ]


@pytest.mark.parametrize("compression", [ZIP_STORED, ZIP_DEFLATED])
def test_a_book_that_is_cut_off_gives_the_files_before_the_cut(compression: int) -> None:
    whole = book(compression=compression)
    found = found_in(whole[: whole.index(b"PK\x01\x02")])
    assert names(found) == ["cover.jpg", "plate%20one.png", "remote.jpg", "other.webp"]
    assert [body.read(10**6) for image in found for body in image.embedded] == [COVER, PLATE, OTHER]
    assert problems(found) == ["the ZIP archive is cut off: its list of files is missing"]
    found = found_in(whole[: whole.index(b"OEBPS/img/plate one.png")])
    assert names(found) == ["cover.jpg", "plate%20one.png", "remote.jpg"]
    assert [len(image.embedded) for image in found if image.candidates] == [1, 0, 0]


def test_noise_never_raises() -> None:
    whole = book()
    for end in range(0, len(whole), 97):
        found_in(whole[:end])
    for at in range(0, len(whole), 53):
        for image in found_in(whole[:at] + b"\xff\x00\x7f" + whole[at + 3 :]):
            for body in image.embedded:
                body.read(10**5)


def test_a_bomb_is_read_to_the_limit_alone() -> None:
    bomb = book({"OEBPS/img/other.webp": bytes(100_000_000)})
    assert len(bomb) < 300_000
    tracemalloc.start()
    found = found_in(bomb)
    (body,) = next(image.embedded for image in found if names((image,)) == ["other.webp"])
    data = body.read(1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data) == 1_000_001
    assert peak < 10_000_000


def test_all_files_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_files, "MAX_UNPACKED", 5_000_000)
    files: dict[str, str | bytes | None] = {f"OEBPS/{number}.png": bytes(1_000_000) for number in range(20)}
    found = found_in(book(files))
    bodies = [body for image in found for body in image.embedded]
    sizes = [len(data) if isinstance(data := body.read(10**7), bytes) else 0 for body in bodies]
    assert sum(sizes) < 6_100_000
    assert "unpacks to more than" in str(bodies[-1].read(10**7))


def test_a_list_of_too_many_files_is_not_read() -> None:
    entry = b"PK\x01\x02" + bytes(42)
    count = 100_000
    end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 65535, 65535, count * 46, 30, 0)
    data = b"PK\x03\x04" + bytes(26) + entry * count + end
    start = process_time()
    (found,) = found_in(data)
    assert process_time() - start < 1
    assert "a ZIP archive of 100,000 files" in found.problems[0].reason


def test_overlapping_entries_take_bounded_work() -> None:
    data = bytearray(book(compression=ZIP_STORED))
    first = data.index(b"PK\x01\x02")
    entries = data.count(b"PK\x01\x02")
    at = first
    for _ in range(entries):  # every entry of the list leads to the first file
        data[at + 42 : at + 46] = bytes(4)
        at = data.find(b"PK\x01\x02", at + 46)
    start = process_time()
    found_in(bytes(data))
    assert process_time() - start < 1


def test_a_file_without_a_name_is_passed_over() -> None:
    data = book(compression=ZIP_STORED)
    at = data.rindex(b"PK\x01\x02")
    length = int.from_bytes(data[at + 28 : at + 30], "little")
    nameless = data[: at + 28] + b"\0\0" + data[at + 30 : at + 46] + data[at + 46 + length :]
    end = nameless.rindex(b"PK\x05\x06")
    size = int.from_bytes(nameless[end + 12 : end + 16], "little") - length
    nameless = nameless[: end + 12] + size.to_bytes(4, "little") + nameless[end + 16 :]
    assert "cover.jpg" in names(found_in(nameless))
