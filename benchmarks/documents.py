"""What each kind of document takes to read: CPU time and memory of 10 MB, beside 1 MB.

`python benchmarks/documents.py` makes a document of each kind in two sizes, and reads each in a process of
its own: every image is found and, where the document holds its bytes, decoded. Printed are CPU milliseconds,
the median of the rounds, with and without decoding; the CPU time for each byte beside that of the small
document, where 1.0 is linear; and the memory beyond that of a tiny document, as a multiple of the size.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from base64 import b64encode
from email.message import EmailMessage
from functools import partial
from gzip import compress
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile

from imgfetch.api.images import each_image
from imgfetch.model.document import Document
from imgfetch.rules.image import embedded
from text_documents import TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURE = 20_000
"""Bytes of a picture: its content does not matter here."""
PAGE_TEXT = "<p>When a cyclist crossed the <em>quiet</em> harbour, the bridge was still closed.</p>\n" * 20


def pictures(size: int, share: float = 0.7) -> list[bytes]:
    """Return pictures of so many bytes in all, as a share of a size."""
    chance = random.Random(1)
    return [chance.randbytes(PICTURE) for _ in range(max(1, int(size * share / PICTURE)))]


def page(number: int, url: str) -> str:
    """Return a page of about 2 KB with one image."""
    return f"<!doctype html><title>{number}</title><main>{PAGE_TEXT}<img src='{url}' alt='{number}'></main>"


def mail(size: int) -> bytes:
    """Return a mail with a text and its images."""
    held = pictures(size, 0.6)
    message = EmailMessage()
    message["From"], message["To"] = "a@h.example", "b@h.example"
    text = "".join(page(number, f"cid:{number}@h") for number in range(len(held)))
    message.set_content(text, subtype="html", cte="quoted-printable")
    for number, data in enumerate(held):
        message.add_related(data, "image", "png", cid=f"<{number}@h>")
    return bytes(message)


def mhtml(size: int) -> bytes:
    """Return a page saved by a browser."""
    parts = []
    for number, data in enumerate(pictures(size, 0.6)):
        url = f"https://h.example/{number}.png"
        parts.append(f"Content-Type: text/html\r\nContent-Location: {url}.html\r\n\r\n{page(number, url)}")
        coded = b64encode(data).decode()
        head = "Content-Type: image/png\r\nContent-Transfer-Encoding: base64"
        parts.append(f"{head}\r\nContent-Location: {url}\r\n\r\n{coded}")
    body = "".join(f"\r\n--x\r\n{part}" for part in parts)
    head = (
        "From: <Saved by Blink>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n"
    )
    return f"{head}{body}\r\n--x--\r\n".encode()


def epub(size: int) -> bytes:
    """Return a book."""
    target = BytesIO()
    with ZipFile(target, "w", ZIP_DEFLATED) as book:
        book.writestr("mimetype", "application/epub+zip", 0)
        for number, data in enumerate(pictures(size, 0.95)):
            url = f"{number}.png"
            head = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>'
            book.writestr(f"{number}.xhtml", f"{head}{PAGE_TEXT}<img src='{url}'/></body></html>")
            book.writestr(url, data)
    return target.getvalue()


def har(size: int) -> bytes:
    """Return an archive of a browser."""
    entries = []
    for number, data in enumerate(pictures(size, 0.65)):
        url = f"https://h.example/{number}.png"
        body = page(number, url)
        for address, media_type, text, coding in (
            (f"{url}.html", "text/html", body, ""),
            (url, "image/png", b64encode(data).decode(), "base64"),
        ):
            content = {"mimeType": media_type, "text": text, "encoding": coding}
            entry = {
                "request": {"url": address},
                "response": {"status": 200, "headers": [], "content": content},
            }
            entries.append(entry | {"startedDateTime": "2024-05-26T08:00:00Z"})
    return json.dumps({"log": {"version": "1.2", "entries": entries}}).encode()


def warc(size: int) -> bytes:
    """Return a web archive without compression."""
    return b"".join(_records(size))


def warc_gz(size: int) -> bytes:
    """Return a web archive with a gzip member for each record."""
    return b"".join(compress(record, 1) for record in _records(size))


def _records(size: int) -> list[bytes]:
    records = []
    for number, data in enumerate(pictures(size, 0.85)):
        url = f"https://h.example/{number}.png"
        for address, media_type, body in (
            (f"{url}.html", "text/html", page(number, url).encode()),
            (url, "image/png", data),
        ):
            block = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\n\r\n".encode() + body
            head = f"WARC/1.1\r\nWARC-Type: response\r\nWARC-Target-URI: {address}"
            head += f"\r\nContent-Type: application/http\r\nContent-Length: {len(block)}\r\n\r\n"
            records.append(head.encode() + block + b"\r\n\r\n")
    return records


def data_urls(size: int) -> bytes:
    """Return a page with its images in `data:` URLs."""
    urls = (f"data:image/png;base64,{b64encode(data).decode()}" for data in pictures(size))
    return "".join(page(number, url) for number, url in enumerate(urls)).encode()


KINDS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "mail": ("a.eml", mail),
    "saved page (MHTML)": ("a.mhtml", mhtml),
    "book (EPUB)": ("a.epub", epub),
    "HAR": ("a.har", har),
    "WARC": ("a.warc", warc),
    "WARC, gzip": ("a.warc.gz", warc_gz),
    "page of `data:` URLs": ("a.html", data_urls),
    **TEXTS,
}


def read(path: Path, *, bodies: bool) -> int:
    """Read a document; return the number of its images."""
    count = 0
    for image in each_image(Document(path.read_bytes(), name=path.name)):
        count += 1
        if bodies:
            for candidate in image.candidates:
                body = embedded.body_of(candidate.url, image)
                if body is not None:
                    body.read(10**8)
    return count


def _child(path: Path, tiny: Path, rounds: int) -> dict[str, float]:
    """Measure one document in this process."""
    read(tiny, bodies=True)
    before = _peak()
    read(path, bodies=True)
    peak = _peak()
    times: dict[str, list[float]] = {"all": [], "found": []}
    for _ in range(rounds):
        for name, bodies in (("all", True), ("found", False)):
            start = process_time()
            count = read(path, bodies=bodies)
            times[name].append(process_time() - start)
    return {
        "images": count,
        "memory": peak - before,
        **{name: median(seconds) for name, seconds in times.items()},
    }


def _peak() -> int:
    """Return the most memory that this process has had, in bytes (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def main(arguments: list[str]) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", nargs=2, type=Path, metavar=("DOCUMENT", "TINY"))
    options = parser.parse_args(arguments)
    if options.child:
        sys.stdout.write(json.dumps(_child(*options.child, options.rounds)))
        return 0
    row = "| {:24} | {:>8} | {:>8} | {:>10} | {:>10} | {:>8} | {:>8} |\n"
    sys.stdout.write(row.format("document", "MB", "images", "CPU ms", "found, ms", "linear", "memory"))
    sys.stdout.write(row.format(*["---"] * 7))
    for kind, (name, make) in KINDS.items():
        with TemporaryDirectory() as folder:
            measure = partial(_measured, Path(folder), name, make, rounds=options.rounds)
            small, large = measure(10**6), measure(10**7)
        pace = (large["all"] / large["bytes"]) / (small["all"] / small["bytes"])
        cells = (f"{large['bytes'] / 1e6:.1f}", f"{large['images']:.0f}", f"{large['all'] * 1000:.0f}")
        found, memory = f"{large['found'] * 1000:.0f}", f"{large['memory'] / large['bytes']:.1f} ×"
        sys.stdout.write(row.format(kind, *cells, found, f"{pace:.2f}", memory))
    return 0


def _measured(
    folder: Path, name: str, make: Callable[[int], bytes], size: int, *, rounds: int
) -> dict[str, float]:
    path, tiny = folder / f"{size}-{name}", folder / f"tiny-{name}"
    path.write_bytes(make(size))
    tiny.write_bytes(make(1000))
    command = [sys.executable, __file__, "--rounds", str(rounds), "--child", str(path), str(tiny)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    ran = subprocess.run(command, capture_output=True, check=True, env=environment)
    found: dict[str, float] = json.loads(ran.stdout)
    return found | {"bytes": path.stat().st_size}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
