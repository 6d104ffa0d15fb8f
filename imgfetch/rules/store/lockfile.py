"""Lock files: the digest of each image of a source, one line for each.

    {"imgfetch-lock": 1}
    {"asked": {"width": 800}, "image": "…", "place": 0, "sha256": "…", "source": "…", "url": "…", "width": 9}

Lines are sorted by source, by the options that were asked for, and by the place of the image in its source.
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
    """The key of a lookup: a source, the options of the choice, and the image."""

    source: str
    """The source as it was given, without credentials."""
    asked: str
    """The options of the choice that are not the default, as a JSON object."""
    image: str
    """A digest of the candidates that the source offered for this image."""


class Pin(NamedTuple):
    """The bytes that one image of a source had."""

    key: PinKey
    place: int
    """Position of the image among those of its source, from 0."""
    url: str
    """The URL that served it, without credentials; the `ni` URI of its digest if its source holds it."""
    sha256: Digest
    width: int
    """The real width, in pixels."""


def key_of(source: str, choosing: Mapping[str, Any], source_set: SourceSet) -> PinKey:
    """Return the key of an image. The base URL is part of the candidates, not of the options."""
    asked = jsonl.asked({name: value for name, value in choosing.items() if name != "base_url"})
    offered = jsonl.line(jsonl.offered(source_set))  # not even a digest of credentials is written
    image = hashlib.sha256(offered.encode()).hexdigest()[:16]
    return PinKey(urls.source_without_userinfo(source), jsonl.line(asked).strip(), image)


def dump(pins: Iterable[Pin]) -> str:
    """Write the text of a lock file: the same for the same pins."""
    ordered = sorted(pins, key=lambda pin: (pin.key.source, pin.key.asked, pin.place, pin.key.image))
    return jsonl.line({_MARK: VERSION}) + "".join(map(_line, ordered))


def parse(text: str) -> tuple[Pin, ...]:
    """Parse the text of a lock file. Raises `ValueError`, naming the line that cannot be read."""
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
    """Raise `ValueError` if a text does not begin like a lock file of this version."""
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
    if isinstance(address, Defect) and not url.startswith("ni:"):
        raise ValueError(f"'url': {address.message}")
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
