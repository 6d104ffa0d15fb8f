r"""The public test vectors of browsers as tables, and what we say to each row.

    tests/vectors/*.txt ─▶ read: VectorSet ─▶ Row ─▶ answer: what we say

`python tests/vectors.py` prints the score. A file holds sets, a set sections, a section rows:

    = the name of the set, as docs/browsers.md has it
    [kind option=value $letter=a|b]
    what is read => what the vector expects
    what is read => what the vector expects !! what Chromium does instead: why

A row stands once for each value of the section's `$letter`, in which a `_` is a space. Where the kind itself
says what is expected (`holds`, `small`), a row has no arrow. Character references and `\u....` stand for what
cannot be seen.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from html import escape, unescape
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from imgfetch.api.selection.current_src import current_sources, preload_sources, source_set
from imgfetch.markup import urls
from imgfetch.markup.css.css_images import find_css_images
from imgfetch.markup.media import matches
from imgfetch.markup.page.links import parse_link_header
from imgfetch.markup.sizes import source_size
from imgfetch.markup.srcset import parse_srcset
from imgfetch.model.markup import Viewport
from imgfetch.rules.image.browser import rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgfetch.model.markup import Candidate

FOLDER = Path(__file__).parent / "vectors"
BASE = "https://wpt.test/p"
NOTHING = "-"
"""Where no image is shown, or none is left."""

SAYS_ITSELF = {
    "holds": "true",
    "fails": "false",
    "known": "known",
    "unknown": "unknown",
    "small": "small",
    "large": "large",
    "invalid": NOTHING,
}
"""The kinds whose rows have no arrow, and what is expected of them."""

ATTRIBUTE = re.compile(r"""(src|srcset|sizes)=(?:['"]([^'"]*)['"]|(\S+))""")

_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|([rnt\\]))")
_BARE = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Row:
    """One case of a public test."""

    kind: str
    given: str
    expected: str
    instead: str | None
    """What the browser that we follow does, where that is not what the vector expects."""
    viewport: Viewport
    browser: str

    @property
    def right(self) -> str:
        return self.expected if self.instead is None else self.instead


@dataclass(frozen=True, slots=True)
class VectorSet:
    """The cases of one public test file."""

    name: str
    rows: tuple[Row, ...]

    @property
    def followed_the_browser(self) -> int:
        return sum(row.instead is not None for row in self.rows)


def read() -> tuple[VectorSet, ...]:
    """Every set, in the order of its file's name and its place there."""
    return tuple(each for path in sorted(FOLDER.glob("*.txt")) for each in _sets(path))


def answer(row: Row) -> str:
    """What we say to a row, in the words of its table."""
    return _ANSWERS[row.kind](row)


def document(row: Row) -> str:
    """The page that asks a row of the kinds `srcset`, `img`, `auto`, `small`, `large` and `page`."""
    given = escape(row.given, quote=True)
    match row.kind:
        case "srcset":
            return f'<img srcset="{given}">'
        case "img":
            return f"<img {row.given}>"
        case "auto":
            return f"<img {row.given} srcset='a 50w, b 51w'>"
        case "small" | "large":
            return f'<img srcset="a 50w, b 51w" sizes="{given}">'
        case _:
            return row.given


def _sets(path: Path) -> Iterator[VectorSet]:
    _, *parts = re.split(r"^= ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for part in parts:
        name, _, body = part.partition("\n")
        rows = [row for section in _SECTION.split(body)[1:] for row in _rows(section)]
        yield VectorSet(name, tuple(rows))


def _rows(section: str) -> Iterator[Row]:
    head, *lines = section.rstrip("\n").split("\n")
    kind, *words = head[1:-1].split(" ")
    options = dict(word.split("=", 1) for word in words)
    letters = {name: text.replace("_", " ").split("|") for name, text in options.items() if name[0] == "$"}
    viewport = Viewport(
        float(options.get("width", 800)),
        float(options.get("height", 600)),
        float(options.get("dpr", 1)),
        font_size=float(options.get("font", 16)),
        color_scheme="dark" if options.get("scheme") == "dark" else "light",
    )
    for line in lines:
        if line.startswith("#"):
            continue
        used = [name for name in letters if name in line]
        for values in product(*(letters[name] for name in used)):
            text = line
            for name, value in zip(used, values, strict=True):
                text = text.replace(name, value)
            yield _row(kind, text, viewport, options.get("browser", "chromium"))


def _row(kind: str, line: str, viewport: Viewport, browser: str) -> Row:
    vector, deviates, deviation = line.partition(" !! ")
    if kind not in SAYS_ITSELF and " => " not in vector:
        raise ValueError(f"{line!r} says nothing of what is expected of it")
    given, _, expected = (vector, "", SAYS_ITSELF[kind]) if kind in SAYS_ITSELF else vector.rpartition(" => ")
    instead = _plain(deviation.partition(": ")[0]) if deviates else None
    return Row(kind, _plain(given), _plain(expected), instead, viewport, browser)


def _plain(text: str) -> str:
    def character(escaped: re.Match[str]) -> str:
        code = escaped[1] or escaped[2]
        return chr(int(code, 16)) if code else _BARE[escaped[3]]

    return unescape(_ESCAPE.sub(character, text))


# What we say ---------------------------------------------------------------------------------------------


def _shown(row: Row) -> str:
    """The images that are shown, each by the last part of its URL; data URLs whole."""
    shown = current_sources(
        f"<div>{document(row)}</div>", base_url=BASE, viewport=row.viewport, browser=row.browser
    )
    return _names(shown)


def _names(found: tuple[str | None, ...]) -> str:
    return " ".join(NOTHING if url is None else url.removeprefix("https://wpt.test/") for url in found)


def _srcset(row: Row) -> str:
    """As written, where that URL is the one that is shown."""
    (shown,) = current_sources(document(row), base_url=BASE, viewport=row.viewport, browser=row.browser)
    if shown is None:
        return NOTHING
    return row.right if shown == urls.current_src(row.right, BASE) else shown


def _small(row: Row) -> str:
    return "small" if _shown(row) == "a" else "large"


def _choose(row: Row) -> str:
    """`source size | src | srcset`: the URL chosen and its density."""
    size, src, srcset = row.given.split(" | ", 2)
    found = source_set(srcset, sizes=f"{size}px" if size else "", src=src, viewport=row.viewport)
    densities = tuple((None, density) for _, density in found)
    chosen = rank([url for url, _ in found], densities, 0, row.viewport.dpr)
    return f"{chosen[-1]} {dict(found)[chosen[-1]]:g}" if chosen else NOTHING


def _density(row: Row) -> str:
    """The density of the one candidate of an `img` with these attributes."""
    said = {name: quoted or bare for name, quoted, bare in ATTRIBUTE.findall(row.given)}
    found = source_set(
        said.get("srcset", ""), sizes=said.get("sizes", ""), src=said.get("src", ""), viewport=row.viewport
    )
    return f"{found[0][1]:g}" if found else NOTHING


def _candidates(row: Row) -> str:
    return ", ".join(map(_written, parse_srcset(row.given))) or NOTHING


def _written(candidate: Candidate) -> str:
    parts = ((candidate.width, "w"), (candidate.height, "h"), (candidate.density, "x"))
    return " ".join([candidate.url, *(f"{number:g}{unit}" for number, unit in parts if number is not None)])


def _size(row: Row) -> str:
    return f"{source_size(row.given, row.viewport, browser=row.browser):.6g}"


def _matches(row: Row) -> str:
    return str(matches(row.given, row.viewport, browser=row.browser)).lower()


def _known(row: Row) -> str:
    return "known" if matches(known_if_true(row.given), row.viewport, browser=row.browser) else "unknown"


def known_if_true(feature: str) -> str:
    """A query that is true if the feature is known, whatever it says."""
    return f"({feature}), not all and ({feature})"


def _preload(row: Row) -> str:
    """What each image preload of a page would load."""
    loads = preload_sources(row.given, base_url=BASE, viewport=row.viewport, browser=row.browser)
    return _names(loads) or NOTHING


def _link(row: Row) -> str:
    """What each image preload of a `Link` field would load."""
    fields = [row.given]
    loads = preload_sources("", base_url=BASE, viewport=row.viewport, link_headers=fields)
    return _names(loads) or NOTHING


def _header(row: Row) -> str:
    """`href | rel | as | media` of each link of a field, its relation in small letters."""
    links = parse_link_header(row.given)
    said = ((link.href, (link.rel or "").lower(), link.as_, link.media) for link in links)
    return " , ".join(" | ".join(word or "" for word in words).rstrip(" |") for words in said) or NOTHING


def _image_set(row: Row) -> str:
    """The options of an image set as `URL density type`; nothing where one of them is odd."""
    found = [*find_css_images(f"a {{ background-image: {row.given} }}")]
    if len(found) != 1 or found[0].problems:
        return NOTHING
    typed = [("", found[0].candidates), *((source.type, source.candidates) for source in found[0].sources)]
    options = [f"{each.url} {each.density:g} {kind}".rstrip() for kind, some in typed for each in some]
    return ", ".join(options) or NOTHING


_ANSWERS: dict[str, Callable[[Row], str]] = {
    "srcset": _srcset,
    "img": _shown,
    "auto": _shown,
    "page": _shown,
    "small": _small,
    "large": _small,
    "choose": _choose,
    "density": _density,
    "candidates": _candidates,
    "sizes": _size,
    "holds": _matches,
    "fails": _matches,
    "known": _known,
    "unknown": _known,
    "preload": _preload,
    "link": _link,
    "header": _header,
    "image-set": _image_set,
    "invalid": _image_set,
}

_SECTION = re.compile(rf"^(?=\[(?:{'|'.join(_ANSWERS)})[ \]])", re.MULTILINE)


def main() -> int:
    """Print the score of every set, and every row to which we say something else."""
    wrong = 0
    for each in read():
        failed = [row for row in each.rows if answer(row) != row.right]
        wrong += len(failed)
        passed = len(each.rows) - each.followed_the_browser - len(failed)
        sys.stdout.write(f"| {each.name} | {len(each.rows)} | {passed} | {each.followed_the_browser} |\n")
        for row in failed:
            sys.stdout.write(f"    {row.kind} {row.given!r}: {answer(row)}, not {row.right}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
