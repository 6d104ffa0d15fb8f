"""The evening of a news archive: crawled texts and saved pages of several sites in one folder.

    python tests/archive.py FOLDER      makes the folder, and fetches it twice, as a user would

The sites are doors of one origin on the loopback interface.
"""

from __future__ import annotations

import random
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from origin import Origin, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTHS = (400, 800, 1200)
WORDS = ("markets", "rise", "and", "rivers", "fall", "while", "the", "council", "talks", "of", "rain")


class Archive(NamedTuple):
    """What was written, and what is to come of it."""

    documents: int
    images: int
    """Pictures that a reader would see, each with a rendition of at least 800 pixels."""
    others: int
    """Icons, tracking pixels and social cards that repeat a picture."""


def options(folder: str | Path, *more: str) -> list[str]:
    """Return the command that the archivist types."""
    return [
        *("get", str(folder), "-w", "800", "--require-width", "-d", "out"),
        *("--name", "{page}-{index:03}-{stem}", "--table", "images.csv", *more),
    ]


def make(folder: Path, origin: Origin, *, texts: int = 200, pages: int = 50, sites: int = 5) -> Archive:
    """Write the folder, and give the origin its pictures."""
    chance = random.Random(17)
    doors = [origin.url, *(origin.door() for _ in range(sites - 1))]
    images = others = 0
    folder.mkdir(parents=True)
    for number in range(texts):
        site, day = doors[number % sites], folder / f"2026-11-{number % 28 + 1:02}"
        day.mkdir(exist_ok=True)
        names = [f"text-{number}-{k}" for k in range(chance.randrange(1, 3))]
        lines = [_words(chance), *(_srcset(origin, site, name) for name in names), _words(chance)]
        (day / f"story-{number:03}.txt").write_text("\n".join(lines), encoding="utf-8")
        images += len(names)
    for number in range(pages):
        site = doors[number % sites]
        names = [f"page-{number}-{k}" for k in range(chance.randrange(1, 4))]
        form = (_chromium, _single_file, _plain)[number % 3]
        text = form(f"{site}/news/{number}.html", _body(origin, chance, site, names))
        (folder / f"saved {number:02} – Überschrift.html").write_text(text, encoding="utf-8")
        images += len(names)
        others += 3
    parts = folder / "saved 00 – Überschrift_files"
    parts.mkdir()
    (parts / "style.css").write_text("body { background: url(/never.png) }")
    (folder / "photo.jpg").write_bytes(encoded("jpeg", 64, 48))
    (folder / "notes.txt").write_text("Ask the editor about the bridge.")
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    return Archive(texts + pages, images, others)


def _words(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=60)).capitalize() + "."


def _srcset(origin: Origin, site: str, name: str, base: str = "") -> str:
    """Return the candidates of a picture. The origin has the one that is to be chosen."""
    body = encoded("webp", 800, 450, seed=number_of(name), quality=40)
    origin.route(f"/m/{name}-800.webp", whole(body, content_type="image/webp", cache_control="max-age=86400"))
    return ", ".join(f"{base or site}/m/{name}-{width}.webp {width}w" for width in WIDTHS)


def number_of(name: str) -> int:
    """Return a number for a name, the same in every run."""
    return zlib.crc32(name.encode())


def _body(origin: Origin, chance: random.Random, site: str, names: Sequence[str]) -> str:
    figures = "".join(
        f'<figure><img src="/m/{name}-400.webp" srcset="{_srcset(origin, site, name, base="..")}" '
        f'sizes="100vw" alt="{name}"></figure><p>{_words(chance)}</p>'
        for name in names
    )
    card = f'<meta property="og:image" content="/m/{names[0]}-1200x630.webp">'
    pixel = '<noscript><img src="/tr?id=1" width="1" height="1" alt=""></noscript>'
    return (
        f'<head><meta charset="utf-8"><link rel="icon" href="/favicon.ico">{card}</head>'
        f"<body><main><h1>Überschrift</h1>{figures}</main>{pixel}</body></html>"
    )


def _chromium(url: str, body: str) -> str:
    return f"<!DOCTYPE html>\n<!-- saved from url=({len(url):04}){url} -->\n<html>{body}"


def _single_file(url: str, body: str) -> str:
    comment = f"\n Page saved with SingleFile \n url: {url} \n saved date: today\n"
    return f"<!DOCTYPE html> <html><!--{comment}-->{body}"


def _plain(url: str, body: str) -> str:
    return f"<!DOCTYPE html><html>{body}".replace("<head>", f'<head><link rel="canonical" href="{url}">', 1)


def _main(folder: Path) -> None:
    import resource

    from imgfetch.cli import main

    with Origin() as origin:
        archive = make(folder / "news", origin)
        print(f"{archive.documents} documents, {archive.images} pictures, {archive.others} other images")
        for run in ("first", "again"):
            before, asked = resource.getrusage(resource.RUSAGE_SELF).ru_utime, origin.asked()
            code = main([*options(folder / "news"), "-q", "--allow-host", "127.0.0.1"])
            spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
            print(
                f"{run}: exit {code}, {origin.asked() - asked} requests, {spent:.1f} s of CPU",
                file=sys.stderr,
            )


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
