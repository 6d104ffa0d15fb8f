"""The images that the lines before a text name: front matter in YAML or TOML.

    cover: /a.jpg · images: [a.png, b.png] · - src: a.png ─▶ values under the name of an image ─▶ SourceSet

A line is read for its names and plain values alone: a value that spans lines names no image.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.markup import urls
from imgfetch.model.markup import Candidate, SourceKind, SourceSet
from imgfetch.readers.strings import StringType, string_type

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE = re.compile(r"^.*$", re.MULTILINE)
_TABLE = re.compile(r"\[++([\w.-]++)\]++\s*+\Z")
"""The header of a table in TOML."""
_PART = re.compile(
    r"""(?P<comment>(?<!\S)\#.*)|(?P<quote>["']?)(?P<name>[\w-]++)(?P=quote)[ \t]*+(?::(?=[ \t\r]|\Z)|=)"""
    r"""|"(?P<double>[^"\n]*+)"|'(?P<single>[^'\n]*+)'"""
    r"""|(?P<bare>[^\s,\[\]{}"'#:=-](?:[^\s,\[\]{}"']|,(?![\s\]}])|[ ](?![ \t\#\r]|\Z))*+)"""
)
"""A comment, a name, or a value: quoted, or bare."""
_ADDRESSES = frozenset(("src", "url", "href", "path", "file", "link", "relative"))
"""Names that say nothing of what they are the address of: the name around them does."""


def images(text: str, start: int, base_url: str) -> Iterator[SourceSet]:
    """Yield the images that front matter names; it begins at the offset `start` of its document."""
    outer = name = ""
    is_in_table = False
    for line in _LINE.finditer(text):
        if table := _TABLE.match(line[0]):
            outer = name = table[1].rpartition(".")[2]
            is_in_table = True
            continue
        is_inside = is_in_table or line[0][:1] in " \t-"
        for part in _PART.finditer(line[0]):
            if part["name"] is not None:
                name = part["name"]
                if name.lower() in _ADDRESSES and (is_inside or part.start()):
                    name = outer
                elif not is_inside and not part.start():
                    outer = name
                continue
            if part["comment"] is not None:
                break
            group = next(each for each in ("double", "single", "bare") if part[each] is not None)
            if string_type(part[group], name) is StringType.URL:
                position = start + line.start() + part.start(group)
                image = SourceSet((Candidate(part[group]),), SourceKind.META, position=position)
                yield urls.absolute(image, base_url) if base_url else image
