"""Images: their structure, facts and defects, the proof of verification, and the entry of a stored image."""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from imgfetch.model.sizes import ANY_SIZE, AtLeast

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from imgfetch.model.markup import Rendition
    from imgfetch.model.request import Head
    from imgfetch.model.result import ErrorKind
    from imgfetch.model.values import Digest, Key, LimitName, StagingId


class VerifyLevel(StrEnum):
    """The checks that are made before a rendition is stored; each level includes those before it."""

    NONE = "none"
    STRUCTURE = "structure"
    FULL = "full"
    THOROUGH = "thorough"
    """Decodes a WebP twice, which detects most of the damage that one decode misses."""

    @property
    def decodes(self) -> bool:
        """Return whether every frame is decoded."""
        return self in (VerifyLevel.FULL, VerifyLevel.THOROUGH)


class Placeholder(StrEnum):
    """The signs of a placeholder; `rules.image.placeholders` defines each."""

    TRACKING_PIXEL = "tracking_pixel"
    BLUR_PLACEHOLDER = "blur_placeholder"
    REMOVED = "removed"
    REPEATED = "repeated"


class Requirements(NamedTuple):
    """The requirements that bytes must meet to be stored."""

    level: VerifyLevel = VerifyLevel.FULL
    sha256: "Digest | None" = None
    """The digest that the caller requires, if any."""
    width: int | None = None
    """Pixels: the width that the candidate promises."""
    strict_width: bool = False
    """True if a width other than the promised one is an error, and not a warning."""
    page: bool = False
    """True if a page of images is accepted."""
    image: bool = True
    """True if an image is accepted; if not, a response that does not claim to be a page is not read."""
    reject_fakes: bool = False
    """True if a placeholder is an error, and not a warning."""
    stand_in: bool = False
    """True for what an image shows until a script has loaded it: any sign of a placeholder is an error."""
    svg: bool = True
    """False if markup is a page, also where its root element is `svg`."""
    formats: "tuple[Format, ...]" = ()
    """The formats that are accepted; empty if any is."""
    at_least: AtLeast = ANY_SIZE
    """The real size that is asked."""


class Format(StrEnum):
    """The image formats that are recognised by their bytes and can be verified."""

    JPEG = "jpeg"
    PNG = "png"
    GIF = "gif"
    WEBP = "webp"
    AVIF = "avif"
    SVG = "svg"
    ICO = "ico"
    BMP = "bmp"
    TIFF = "tiff"
    JXL = "jxl"
    HEIC = "heic"
    OTHER = "other"
    """Any other format: bytes that a caller of `CachingTransport` wants stored without verification."""

    @property
    def extension(self) -> str:
        """The file name extension, without a dot."""
        return "jpg" if self is Format.JPEG else "bin" if self is Format.OTHER else str(self)

    @property
    def media_type(self) -> str:
        """The IANA media type."""
        return _MEDIA_TYPES.get(self) or f"image/{self}"

    @property
    def media_types(self) -> tuple[str, ...]:
        """The IANA media type, and other names of it that origins and pages use."""
        return (self.media_type, *_OTHER_MEDIA_TYPES.get(self, ()))

    @classmethod
    def _missing_(cls, value: object) -> "Format | None":
        """Return the format that has another name too, such as `jpg`; letters may be upper case."""
        return NAMES_OF_FORMATS.get(value.lower()) if isinstance(value, str) else None


NAMES_OF_FORMATS = {
    **{form.value: form for form in Format if form is not Format.OTHER},
    **dict.fromkeys(("jpg", "jpe", "jfif", "pjpeg", "pjp"), Format.JPEG),
    "apng": Format.PNG,
    "svgz": Format.SVG,
    "cur": Format.ICO,
    "dib": Format.BMP,
    "tif": Format.TIFF,
    **dict.fromkeys(("heif", "heics", "hif"), Format.HEIC),
}
"""The formats by all their names, in options and as extensions of files."""

_MEDIA_TYPES = {
    Format.SVG: "image/svg+xml",
    Format.ICO: "image/vnd.microsoft.icon",
    Format.OTHER: "application/octet-stream",
}
_OTHER_MEDIA_TYPES = {
    Format.JPEG: ("image/jpg", "image/pjpeg"),
    Format.PNG: ("image/apng", "image/x-png"),
    Format.ICO: ("image/x-icon", "image/ico", "image/icon"),
    Format.BMP: ("image/x-ms-bmp", "image/x-bmp"),
    Format.HEIC: ("image/heif",),
}

_BY_MEDIA_TYPE = {name: form for form in Format if form is not Format.OTHER for name in form.media_types}


def format_of_media_type(media_type: str) -> Format | None:
    """Return the format of a media type, whatever its parameters; None for any other type."""
    return _BY_MEDIA_TYPE.get(media_type.partition(";")[0].strip().lower())


DECODABLE = (
    Format.JPEG,
    Format.PNG,
    Format.GIF,
    Format.WEBP,
    Format.AVIF,
    Format.ICO,
    Format.BMP,
    Format.TIFF,
)
"""The formats that every installation can decode. SVG is not decoded; JPEG XL and HEIC need an extra."""


class Structure(NamedTuple):
    """The structure of an image, found without decoding a pixel."""

    format: Format | None
    """The format; None if the bytes are of another one, which `defect` then names."""
    width: int = 0
    height: int = 0
    frames: int = 0
    defect: "Defect | None" = None
    """The first defect; None if the structure is whole to its end."""
    tail: int = 0
    """Bytes after the end of the image, which every reader of the format ignores."""
    most_pixels: int = 0
    """Pixels of the largest frame or part that a decoder must hold, if that is more than the image."""
    notes: tuple[str, ...] = ()
    """Warnings about damage to bytes that no pixel depends on."""
    plane_bytes: float = 0.0
    """Bytes per pixel of the decoded samples of an AVIF or TIFF, before they are converted to RGB."""


class DecodeLoad(NamedTuple):
    """The cost of a decode, estimated from the header."""

    memory: int
    """Bytes at most, not counting those of the file."""
    pixels: int
    """Pixels of all frames."""


class Defect(NamedTuple):
    """A defect of bytes: a reason for programs, and a sentence for people."""

    kind: "ErrorKind"
    message: str
    limit: "LimitName | None" = None
    """The field of `Limits` that the bytes exceed; None if they exceed no limit."""
    kept_at: VerifyLevel | None = None
    """The highest level at which the bytes would be stored; None if there is none."""


class Facts(NamedTuple):
    """Facts about an image, and the checks that it passed."""

    format: Format
    width: int
    """Pixels, as encoded: orientation metadata is not applied."""
    height: int
    frames: int
    bytes: int
    sha256: "Digest"
    verified: tuple[str, ...]
    """Checks in order: `length`, `structure`, `decode`, `thorough`, the fields with digests that the origin
    sent (`repr-digest`, …), `sha256`."""


class Verified(NamedTuple):
    """The proof that a staged body may be stored. Only `rules.image.verify` makes one."""

    facts: Facts
    staging_id: "StagingId"
    warnings: tuple[str, ...] = ()


class Entry(NamedTuple):
    """The index entry of a stored response: its key, its bytes, and its head."""

    key: "Key"
    facts: Facts
    head: "Head"
    request_time: float
    """Seconds since the epoch when the request was sent (RFC 9111 §4.2.3, request_time)."""
    response_time: float
    """Seconds since the epoch when the head was received (RFC 9111 §4.2.3, response_time)."""
    vary_values: tuple[tuple[str, str], ...] = ()
    """Request fields that select the response by its Vary, normalized (RFC 9111 §4.1)."""
    redirect_lifetime: float | None = None
    """Freshness lifetime of the redirect chain in seconds; None without redirects."""
    selector: str = ""
    """A salted hash of the credentials that the caller sent; empty if it sent none."""


class PendingEntry(NamedTuple):
    """A verified body to be committed, and the fields of its index entry."""

    verified: Verified
    key: "Key"
    head: "Head"
    request_time: float
    response_time: float
    vary_values: tuple[tuple[str, str], ...] = ()
    redirect_lifetime: float | None = None
    renditions: "tuple[Rendition, ...]" = ()
    """The renditions of the source set."""
    selector: str = ""
    fresh_until: float | None = None
    """Seconds since the epoch until which it answers any request for its key: `stored_response` decides."""

    @property
    def entry(self) -> Entry:
        """The entry that the index will have."""
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

    path: "Path"
    """The path of its file."""
    record: tuple[Any, ...]
    """The store's record of it, not decoded."""
    decode: "Callable[[tuple[Any, ...]], Entry]"
    """Makes an entry of `record`; never fails."""

    @property
    def entry(self) -> Entry:
        """The entry, decoded anew at each access."""
        return self.decode(self.record)


class Lookup(NamedTuple):
    """The answer of a store about some keys. A key in neither part has to be looked for with `Store.find`."""

    hits: "Mapping[Key, Hit]"
    missing: "Collection[Key]"
    """Keys under which nothing is stored."""
    at: float
    """Seconds since the epoch at which the store was asked."""
