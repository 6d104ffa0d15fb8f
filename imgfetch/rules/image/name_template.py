"""Templates of file names: `{page}-{index:03}-{stem}`.

    text ─▶ parse: literals and fields │ why it is not a template
    fields of an image ─▶ fill ─▶ a name that every file system takes

A template is data: a field has a name and, if it is a number, a width. It reaches no attribute and calls
nothing, unlike `str.format`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.rules.image import safe_names

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXTS = ("source", "page", "host", "stem", "format", "alt", "name")
"""Fields that are texts; a missing one is empty."""

NUMBERS = ("row", "position", "index", "width", "height")
"""Fields that are whole numbers, and may have a width: `{index:03}`."""

DIGEST = "sha256"
"""The field with the digest; `{sha256:12}` has its first 12 digits."""

FIELDS = (*TEXTS, *NUMBERS, DIGEST)
"""All fields; any other name is that of a column of a table."""


class _Part(NamedTuple):
    literal: str
    field: str
    spec: str


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """A template of names without their extension, which is that of the format of the bytes."""

    text: str
    parts: tuple[_Part, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields that are columns of a table."""
        return tuple(part.field for part in self.parts if part.field and part.field not in FIELDS)

    @property
    def is_unique(self) -> bool:
        """True if two images that differ cannot have one name: it has 12 digits of the digest or more."""
        return any(part.field == DIGEST and int(part.spec or 64) >= _UNIQUE for part in self.parts)

    def fill(self, fields: Mapping[str, str | int]) -> str:
        """Return the name for an image with these fields, without an extension.

        A field of several words is a part of the name as it is, without the characters that a system refuses.
        White space and `-` are left out where a field beside them is empty.
        """
        return re.sub(r"\s+", " ", "".join(map(_Filler(fields), self.parts))).strip("- ")


def parse(text: str) -> NameTemplate:
    """Read a template. Raises `ValueError`, with what is wrong in a few words."""
    try:
        found = [*Formatter().parse(text)]
    except ValueError as error:
        raise ValueError(f"{error}; a brace itself is written twice") from error
    parts = []
    for literal, field, spec, conversion in found:
        refused = next((c for c in literal if c in safe_names.REFUSED or not c.isprintable()), None)
        if refused is not None:
            raise ValueError(f"a name cannot have {refused!r}")
        if field is not None:
            _check(field, spec or "", conversion)
        parts.append(_Part(literal, field or "", spec or ""))
    if parts and len(parts) > 1 and (parts[-1].literal, parts[-1].field) == (".", "format"):
        parts.pop()  # the extension is there without it
    if not parts:
        raise ValueError("it is empty")
    return NameTemplate(text, tuple(parts))


def _check(field: str, spec: str, conversion: str | None) -> None:
    if not field or conversion is not None or re.search(r"[.\[\]{}]|__", field) or "{" in spec:
        raise ValueError(f"{{{field}}} is not a field: a field has a name alone, such as {{stem}}")
    if field.isdecimal():
        raise ValueError(f"{{{field}}} is not a field: fields have names, such as {{stem}}")
    if not spec:
        return
    if field in NUMBERS and re.fullmatch(r"0?[1-9][0-9]?d?", spec):
        return
    if field == DIGEST and re.fullmatch(r"[1-9][0-9]?", spec) and int(spec) <= _DIGITS:
        return
    raise ValueError(f"{{{field}:{spec}}} has a format that is not for it; a number takes one: {{index:03}}")


_DIGITS, _UNIQUE = 64, 12


class _Filler:
    """Fills one part of a template at a time."""

    def __init__(self, fields: Mapping[str, str | int]) -> None:
        self._fields = fields

    def __call__(self, part: _Part) -> str:
        if not part.field:
            return part.literal
        value = self._fields.get(part.field, "")
        if part.field == DIGEST:
            return part.literal + str(value)[: int(part.spec or _DIGITS)]
        if isinstance(value, int) and part.spec:
            return part.literal + format(value, part.spec)
        return part.literal + safe_names.safe_text(str(value))


DEFAULT = parse("{name}-{sha256:12}")
"""The template where none is given."""
