"""The images in a cell of a table: one, or a list as shops and spreadsheets write it.

    `a.jpg, b.png` │ a line each │ `a.jpg|b.png` │ `a.jpg; b.png` │ `["a.jpg", "b.png"]` ─▶ an image each
    `a.jpg 480w, b.jpg 800w` ─▶ one image, of which a candidate is chosen
    `=IMAGE("a.jpg")` │ `![alt](a.jpg)` ─▶ the image that it names

A separator counts only where a new URL begins behind it, so that URLs with commas and spaces stay whole. A
comma behind a backslash is one of the URL, as WooCommerce exports it: a backslash has no place in a URL.
Only a cell with descriptors is a srcset: of a plain list none is chosen, all are taken.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.markup import Candidate, Problem


def images_of(cell: str) -> tuple[str, ...]:
    """Return the images in a cell, each as a source; each once. Never raise; take linear time."""
    text = cell.strip() if cell.strip(_SEPARATORS + " \t\r\n") else ""
    if text[:1] in _NOTATIONS and (named := _named(text)):
        return named
    is_data = text[:5].lower() == "data:" and not _SPACE.search(text)
    if not _MAY_BE_LIST.search(text) or "<" in text or is_data:  # a URL, or markup, which is one source
        return (text,) if text else ()
    listed = _quoted_list(text) if text[0] == "[" else None
    found = listed if listed is not None else [*_split(text)]
    return tuple(dict.fromkeys(each.replace("\\,", ",") for each in found if each))


def _named(text: str) -> tuple[str, ...]:
    """Return the images that a formula of a spreadsheet or a text in Markdown names; none of other texts."""
    formula = _FORMULA.match(text)
    found = [formula[1]] if formula is not None else _MARKDOWN_IMAGE.findall(text)
    return tuple(dict.fromkeys(filter(None, map(str.strip, found))))


def is_srcset(text: str) -> bool:
    """Return whether a text is a srcset: a list of candidates, of which one at least has a descriptor."""
    if _DESCRIPTOR.search(text) is None:
        return False
    candidates, _ = _read_srcset(text)
    return any(each.width is not None or each.density is not None for each in candidates)


def _read_srcset(text: str) -> tuple[tuple[Candidate, ...], tuple[Problem, ...]]:
    from imgfetch.markup.srcset import read_srcset  # a list of plain URLs needs none

    return read_srcset(text)


def _split(text: str) -> Iterator[str]:
    """Yield the images of a cell: whole if it is a srcset, else those of each line."""
    if "\n" not in text and "\r" not in text:
        yield from _split_line(text)
        return
    candidates, problems = _read_srcset(text)
    if not problems and candidates and all(each.width or each.density for each in candidates):
        yield text  # a srcset that is written on several lines
        return
    gathered: list[str] = []
    for line in map(str.strip, text.splitlines()):
        gathered.append(line)
        if not line.endswith(","):  # a srcset goes on behind a comma
            yield from _split_line(" ".join(gathered).strip())
            gathered.clear()
    if gathered:
        yield from _split_line(" ".join(gathered).strip())


def _split_line(line: str) -> Iterator[str]:
    if is_srcset(line) or not _is_list(line):
        yield line
        return
    begin = 0
    for end, start in _absolute(line):
        yield from _split_relative(line[begin:end])
        begin = start
    yield from _split_relative(line[begin:])


def _is_list(line: str) -> bool:
    """Return whether a line begins as a list of images does, and not as prose does."""
    first = re.split(r"[,;|]", line, maxsplit=1)[0].rstrip()
    return _BEGINNING.match(line) is not None or (_names_image(first) and "://" not in first)


def _absolute(line: str) -> Iterator[tuple[int, int]]:
    """Yield where an image ends, and where the absolute URL of the next one begins."""
    begin = 0
    for found in _ABSOLUTE.finditer(line, 1):
        start = end = found.start()
        while end > begin and line[end - 1].isspace():
            end -= 1
        # Without a separator, only a word is a URL by itself: `a.jpg and b.jpg` is prose.
        is_word = begin < end < start and not _SPACE.search(line, begin, end)
        if is_word or (end > begin and line[end - 1] in _SEPARATORS):
            yield end, start
            begin = start


def _split_relative(part: str) -> Iterator[str]:
    """Yield the images of a list without further absolute URLs: several if each of them names an image."""
    bare = part.strip().strip(_SEPARATORS).strip()
    # Behind an absolute URL only a comma and white space part, since its path may have commas.
    separator = r"(?<!\\),\s|[;|]" if _ABSOLUTE.match(bare) else r"(?<!\\)[,;|]"
    parts = [each.strip() for each in re.split(separator, bare)]
    if len(parts) > 1 and all(map(_names_image, parts)):
        yield from parts
    else:
        yield bare


def _names_image(text: str) -> bool:
    return _IMAGE.search(text.partition("?")[0].partition("#")[0]) is not None


def _quoted_list(text: str) -> list[str] | None:
    """Return the texts of a list as programs write it into a cell, in JSON or Python; None without one."""
    import json

    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        if not _PYTHON_LIST.fullmatch(text):
            return None
        found = [single or double for single, double in _QUOTED.findall(text)]
    is_list = isinstance(found, list) and all(isinstance(each, str) for each in found)
    return [each.strip() for each in found] if is_list else None


_SEPARATORS = ",;|"
_NOTATIONS = ("=", "!", "[")
_FORMULA = re.compile(r"""=\s*+(?:IMAGE|HYPERLINK)\s*+\(\s*+"([^"]++)\"""", re.IGNORECASE)
"""`=IMAGE("…"; …)`, as Excel, Google Sheets and LibreOffice have it, and `=HYPERLINK("…", "…")`."""
_MARKDOWN_IMAGE = re.compile(r"!\[[^\[\]\n]*+\]\(\s*+<?([^\s()<>]++)")
_MAY_BE_LIST = re.compile(r"[\s,;|\[]")  # a comma, also one behind a backslash
_DESCRIPTOR = re.compile(r"\s[0-9.]+[wx](?:[\s,]|\Z)")
_ABSOLUTE = re.compile(r"https?://|(?<![^\s|])//\w", re.IGNORECASE)
_BEGINNING = re.compile(r"https?://|//\w|\.{0,2}/|data:", re.IGNORECASE)
_QUOTED = re.compile(r"""'([^']*+)'|"([^"]*+)\"""")
_PYTHON_LIST = re.compile(r"""\[\s*+(?:(?:'[^']*+'|"[^"]*+")\s*+,?+\s*+)*+\]""")
_SPACE = re.compile(r"\s")
_IMAGE = re.compile(r"\.(?:avif|webp|jpe?g|jfif|jxl|a?png|gif|svg|bmp|ico|tiff?|hei[cf])\Z", re.IGNORECASE)
