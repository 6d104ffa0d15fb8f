"""What the bytes are: structure, facts, proof, and the index entry of a stored image."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from imgfetch.model.markup import Rendition
    from imgfetch.model.request import Head
    from imgfetch.model.result import ErrorKind
    from imgfetch.model.values import Digest, Key, LimitName, StagingId


class VerifyLevel(StrEnum):
    """How much is proved before a rendition is kept; each level includes those before it."""

    NONE = "none"
    STRUCTURE = "structure"
    FULL = "full"
    THOROUGH = "thorough"
    """A WebP is decoded twice: most of what one decode cannot see, two of them do."""

    @property
    def decodes(self) -> bool:
        """Whether every frame is decoded."""
        return self in (VerifyLevel.FULL, VerifyLevel.THOROUGH)


class Placeholder(StrEnum):
    """By what a picture that stands in for another is known; `rules.image.placeholders` defines each."""

    TRACKING_PIXEL = "tracking_pixel"
    BLUR_PLACEHOLDER = "blur_placeholder"
    REMOVED = "removed"
    REPEATED = "repeated"


class Requirements(NamedTuple):
    """What the bytes must be to be kept."""

    level: VerifyLevel = VerifyLevel.FULL
    sha256: Digest | None = None
    """The caller's own digest of the file, if it has one."""
    width: int | None = None
    """The width the candidate promises, in pixels."""
    strict_width: bool = False
    """Whether a width other than the promised one is an error rather than a warning."""
    page: bool = False
    """Whether a page of images will do as well as an image."""
    image: bool = True
    """Whether an image will do; where not, an answer that says it is no page is not read."""
    reject_fakes: bool = False
    """Whether a picture that stands in for another is an error rather than a warning."""


class Format(StrEnum):
    """The image formats that are recognised by their bytes and can be proved whole."""

    JPEG = "jpeg"
    PNG = "png"
    GIF = "gif"
    WEBP = "webp"
    AVIF = "avif"
    OTHER = "other"
    """None of them: bytes that a caller of `CachingTransport` wants kept unproved."""

    @property
    def extension(self) -> str:
        """The file name extension, without a dot."""
        return "jpg" if self is Format.JPEG else "bin" if self is Format.OTHER else str(self)

    @property
    def media_type(self) -> str:
        """The IANA media type."""
        return "application/octet-stream" if self is Format.OTHER else f"image/{self}"


class Structure(NamedTuple):
    """What a walk over the bytes saw without decoding one pixel."""

    format: Format | None
    """None where the bytes are none of our formats; `defect` then says what they look like."""
    width: int = 0
    height: int = 0
    frames: int = 0
    defect: Defect | None = None
    """The first thing wrong, or None where the structure is whole to its end."""
    tail: int = 0
    """Bytes behind the end of the image, which every reader of the format passes over."""
    most_pixels: int = 0
    """The pixels of the largest frame or part that a decoder must hold, where that is more than the image."""
    notes: tuple[str, ...] = ()
    """Damage to bytes that no pixel depends on: the warnings to give of it."""
    plane_bytes: float = 0.0
    """Of an AVIF, the bytes a pixel of what is decoded, before it is made RGB."""


class DecodeLoad(NamedTuple):
    """What a decode takes, estimated from the header."""

    memory: int
    """Bytes at most, besides those of the file."""
    pixels: int
    """Of all frames."""


class Defect(NamedTuple):
    """What is wrong with some bytes: a reason one can act on, and a sentence one can read."""

    kind: ErrorKind
    message: str
    limit: LimitName | None = None
    """The field of `Limits` that the bytes exceed; None where they exceed none."""
    kept_at: VerifyLevel | None = None
    """The level of checking at which the bytes would be kept all the same; None where there is none."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen of an image: what it is, and how far it has been checked."""

    format: Format
    width: int
    """Pixels, as encoded: orientation metadata is not applied."""
    height: int
    frames: int
    bytes: int
    sha256: Digest
    verified: tuple[str, ...]
    """What was checked, in order: `length`, `structure`, `decode`, `thorough`, the fields of digests that the
    origin offered (`repr-digest`, …), `sha256`."""


class Verified(NamedTuple):
    """Proof that the bytes behind a ticket may be kept. Only `rules.image.verify.judge` makes one."""

    facts: Facts
    staging_id: StagingId
    warnings: tuple[str, ...] = ()


class Entry(NamedTuple):
    """What the index knows of a kept rendition: under which key, which bytes, and who gave them."""

    key: Key
    facts: Facts
    head: Head
    request_time: float
    """When the request was sent, in seconds since the epoch (RFC 9111 §4.2.3, request_time)."""
    response_time: float
    """When the response's head came (RFC 9111 §4.2.3, response_time)."""
    vary_values: tuple[tuple[str, str], ...] = ()
    """The request's fields that the response depends on by its Vary, normalised (RFC 9111 §4.1)."""
    redirect_lifetime: float | None = None
    """Seconds for which the redirects that led to it may be followed unasked; None where there were none."""
    selector: str = ""
    """A salted hash of the credentials that the caller sent; empty where it sent none."""


class PendingEntry(NamedTuple):
    """A proved rendition on its way into a store: its bytes, and what the index will know of them."""

    verified: Verified
    key: Key
    head: Head
    request_time: float
    response_time: float
    vary_values: tuple[tuple[str, str], ...] = ()
    redirect_lifetime: float | None = None
    renditions: tuple[Rendition, ...] = ()
    """The list that offered it."""
    selector: str = ""

    @property
    def entry(self) -> Entry:
        """What the index will know."""
        times = self.request_time, self.response_time
        return Entry(
            self.key,
            self.verified.facts,
            self.head,
            *times,
            self.vary_values,
            self.redirect_lifetime,
            self.selector,
        )


class Hit(NamedTuple):
    """A stored response that answers for its key, whatever request asks for it."""

    path: Path
    """The path of its file."""
    record: tuple[Any, ...]
    """What the store has of it, undecoded."""
    decode: Callable[[tuple[Any, ...]], Entry]
    """Makes an entry of `record`; never fails."""

    @property
    def entry(self) -> Entry:
        """The entry, decoded anew at each access."""
        return self.decode(self.record)


class Lookup(NamedTuple):
    """The answer of a store about some keys. A key in neither part has to be looked for with `Store.find`."""

    hits: Mapping[Key, Hit]
    missing: Collection[Key]
    """Keys under which nothing is stored."""
    at: float
    """Seconds since the epoch at which the store was asked."""
