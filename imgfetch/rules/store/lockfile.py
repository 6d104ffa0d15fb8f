"""Lock files: which bytes a source stood for, one line for each image.

    {"imgfetch-lock": 1}
    {"asked": {"width": 800}, "image": "…", "place": 0, "sha256": "…", "source": "…", "url": "…", "width": 9}

Lines are sorted by source, by what was asked, and by the place of the image in its source.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from imgfetch.model.image import Defect
from imgfetch.model.values import Digest
from imgfetch.rules.http import urls
from imgfetch.rules.store import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imgfetch.model.markup import SourceSet

VERSION = 1


class PinKey(NamedTuple):
    """What is looked up: the same source, asked for in the same way, for the same image."""

    source: str
    """The source as it was given, without credentials."""
    asked: str
    """The options that chose, as a JSON object; those that are not the default."""
    image: str
    """A digest of all that the source offered for this image."""


class Pin(NamedTuple):
    """What one image of a source was."""

    key: PinKey
    place: int
    """Of the image among those of its source, from 0."""
    url: str
    """That served it, without credentials."""
    sha256: Digest
    width: int
    """The real width, in pixels."""


def key_of(source: str, choosing: Mapping[str, Any], source_set: SourceSet) -> PinKey:
    """Under which key an image is locked. The base URL is part of what is offered, not of what was asked."""
    asked = jsonl.asked({name: value for name, value in choosing.items() if name != "base_url"})
    offered = jsonl.line(jsonl.offered(source_set))  # not even a digest of credentials is written
    image = hashlib.sha256(offered.encode()).hexdigest()[:16]
    return PinKey(urls.source_without_userinfo(source), jsonl.line(asked).strip(), image)


def dump(pins: Iterable[Pin]) -> str:
    """The text of a lock file: for the same pins always the same."""
    ordered = sorted(pins, key=lambda pin: (pin.key.source, pin.key.asked, pin.place, pin.key.image))
    return jsonl.line({_MARK: VERSION}) + "".join(map(_line, ordered))


def parse(text: str) -> tuple[Pin, ...]:
    """The pins in the text of a lock file. Raises `ValueError`, naming the line that cannot be read."""
    pins: dict[PinKey, tuple[int, Pin]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() and number > 1:
            continue
        try:
            members = jsonl.members_of(line)
            if number == 1:
                _check_version(members)
                continue
            pin = _pin(members)
            if pin.key in pins:
                raise ValueError(f"the same image as line {pins[pin.key][0]}")  # noqa: TRY301 (named below)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        pins[pin.key] = number, pin
    return tuple(pin for _, pin in pins.values())


def check_version(text: str) -> None:
    """Raise `ValueError` where a text does not begin as a lock file of this version does."""
    _check_version(jsonl.members_of(text.partition("\n")[0]))


_MARK = "imgfetch-lock"


def _check_version(members: dict[str, Any]) -> None:
    version = jsonl.member(members, _MARK, int)
    if version != VERSION:
        raise ValueError(f"version {version}, and only {VERSION} is known here; a newer imgfetch may know it")


def _line(pin: Pin) -> str:
    return jsonl.line(
        {
            "source": pin.key.source,
            "asked": jsonl.members_of(pin.key.asked),
            "image": pin.key.image,
            "place": pin.place,
            "url": pin.url,
            "sha256": pin.sha256,
            "width": pin.width,
        }
    )


def _pin(members: dict[str, Any]) -> Pin:
    asked = jsonl.member(members, "asked", dict)
    jsonl.choosing_of(asked)
    url, sha256 = jsonl.member(members, "url", str), jsonl.member(members, "sha256", str)
    address = urls.read(url)
    if isinstance(address, Defect):
        raise ValueError(f"'url': {address.message}")  # noqa: TRY004 (read, not passed)
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError(f"'sha256' is {sha256[:80]!r}, where 64 hexadecimal digits were expected")
    width = jsonl.member(members, "width", int)
    if width < 1:
        raise ValueError(f"'width' is {width}")
    return Pin(
        PinKey(
            jsonl.member(members, "source", str),
            jsonl.line(asked).strip(),
            jsonl.member(members, "image", str),
        ),
        jsonl.member(members, "place", int),
        url,
        Digest(sha256),
        width,
    )
