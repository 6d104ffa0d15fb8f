"""The exceptions that callers see: one root, and a subclass for each way to react.

Inside imgfetch an expected failure is a `Failure` value. It becomes an exception only where the caller asked
for a single image (`Client.get`, `fetch`), or where nothing can be fetched at all.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from imgfetch.model.image import Format
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.redaction import without_credentials

if TYPE_CHECKING:
    from collections.abc import Collection

    from imgfetch.model.values import LimitName

E = TypeVar("E", bound=StrEnum)


class ImgfetchError(Exception):
    """An error of imgfetch. `str()` is one printable line: `<url>: <what happened>; <what to do>`."""

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        url: str = "",
        *,
        http_status: int | None = None,
        attempts: int = 0,
        retryable: bool = False,
        hint: str | None = None,
        limit: LimitName | None = None,
    ) -> None:
        self.kind = kind
        """A stable slug, explained in docs/errors.md."""
        self.message = message
        self.url = url
        """The URL, path or input that the error is about, without secrets."""
        self.http_status = http_status
        self.attempts = attempts
        self.retryable = retryable
        self.hint = limit_hint(limit) if hint is None else hint
        self.limit = limit
        """The field of `Limits` that was hit; None where no limit was the reason."""
        super().__init__(one_line(url, message, self.hint))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.failed())

    def failed(self) -> Failure:
        """Return the same as a value."""
        return Failure(
            self.kind,
            self.message,
            self.url,
            http_status=self.http_status,
            attempts=self.attempts,
            retryable=self.retryable,
            hint=self.hint,
            limit=self.limit,
        )


class NetworkError(ImgfetchError):
    """The origin could not be reached, or the connection broke: a retry later may help."""


class CheckDueError(Exception):
    """A stored object must be hashed before it is used, and is large: look it up again in a thread.

    Only `imgfetch.ports.Store` raises it, and only for `at_once`; callers of imgfetch never see it.
    """


class Unreachable(NetworkError):
    """No connection was made: the error holds for every URL of the host."""


class HTTPError(ImgfetchError):
    """The origin responded, but not with the image: check the URL and `http_status`."""


class PolicyError(ImgfetchError):
    """A limit or a policy was hit: raise the limit that is named, or allow the host, if you trust it."""


class ContentError(ImgfetchError):
    """The bytes are not one whole image: try another rendition, or the origin again."""


class CacheError(ImgfetchError):
    """The cache cannot be used: repair the directory, or choose another."""


class InputError(ImgfetchError):
    """The input is not a source: correct the argument."""


class Cancelled(ImgfetchError):
    """The user, or the program, asked to stop."""


def error_for(failed: Failure) -> ImgfetchError:
    """Return `failed` as an exception of the class for its kind."""
    return _rebuild(_CLASSES[failed.kind], failed)


def member(names: type[E], name: str) -> E:
    """Return the member of an enumeration that is called `name`. Raises `InputError` (`bad_input`)."""
    if type(name) is names:  # the usual case
        return name
    try:
        return names(name)
    except ValueError as error:
        raise InputError(ErrorKind.BAD_INPUT, f"{name!r} is not one of {', '.join(names)}") from error


def wanted_formats(formats: Collection[Format | str] | str | None) -> frozenset[Format] | None:
    """Return formats by any of their names; None for any format. Raises `InputError` (`bad_input`)."""
    if formats is None:
        return None
    return frozenset(member(Format, name) for name in ((formats,) if isinstance(formats, str) else formats))


def several(texts: Collection[str], name: str) -> tuple[str, ...]:
    """Return the texts of a parameter. Raises `TypeError` for a `str`, which is a collection of letters."""
    if isinstance(texts, str):
        raise TypeError(f"{name} takes several texts; a single one goes in a list: [{texts!r}]")
    return tuple(texts)


def one_line(url: str, message: str, hint: str | None = None, *, limit: int = 300) -> str:
    """Return `<url>: <message>; <hint>`: printable, without credentials, and at most `limit` characters."""
    text = ": ".join(part for part in (url, message) if part)
    if hint:
        text += f"; {hint}"
    text = printable(without_credentials(text[: limit + 4096]))  # what follows is not shown
    return text if len(text) <= limit else text[: limit - 1] + "…"


def limit_hint(limit: LimitName | None) -> str | None:
    """Return the hint for a failure at a limit, as a caller of the library reads it."""
    return None if limit is None else f"Limits({limit}=…) sets the limit"


def printable(text: str) -> str:
    """Return the text with every character that a terminal might act on as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _rebuild(cls: type[ImgfetchError], failed: Failure) -> ImgfetchError:
    return cls(
        failed.kind,
        failed.message,
        failed.url,
        http_status=failed.http_status,
        attempts=failed.attempts,
        retryable=failed.retryable,
        hint=failed.hint,
        limit=failed.limit,
    )


KINDS: dict[type[ImgfetchError], tuple[ErrorKind, ...]] = {
    NetworkError: (
        ErrorKind.DNS,
        ErrorKind.CONNECT,
        ErrorKind.TIMEOUT,
        ErrorKind.RESET,
        ErrorKind.INCOMPLETE,
        ErrorKind.PROTOCOL,
        ErrorKind.TLS,
    ),
    HTTPError: (
        ErrorKind.HTTP_STATUS,
        ErrorKind.RATE_LIMITED,
        ErrorKind.TOO_MANY_REDIRECTS,
        ErrorKind.BAD_REDIRECT,
    ),
    PolicyError: (
        ErrorKind.BAD_URL,
        ErrorKind.BLOCKED,
        ErrorKind.OPTED_OUT,
        ErrorKind.TOO_LARGE,
        ErrorKind.TOO_MANY_PIXELS,
        ErrorKind.TOO_MANY_FRAMES,
        ErrorKind.TOO_MANY_IMAGES,
        ErrorKind.TOO_SMALL,
        ErrorKind.UNSUPPORTED_FORMAT,
        ErrorKind.OFFLINE,
        ErrorKind.NOT_LOCKED,
    ),
    ContentError: (
        ErrorKind.EMPTY,
        ErrorKind.NOT_IMAGE,
        ErrorKind.NOT_PAGE,
        ErrorKind.CORRUPT,
        ErrorKind.TRUNCATED,
        ErrorKind.BAD_ENCODING,
        ErrorKind.INTEGRITY,
        ErrorKind.WIDTH_MISMATCH,
        ErrorKind.TOO_NARROW,
        ErrorKind.FORMAT_MISMATCH,
        ErrorKind.PLACEHOLDER,
    ),
    CacheError: (
        ErrorKind.DISK_FULL,
        ErrorKind.PERMISSION,
        ErrorKind.CACHE_LOCKED,
        ErrorKind.CACHE_CORRUPT,
        ErrorKind.CACHE_VERSION,
        ErrorKind.NOT_A_CACHE,
        ErrorKind.IO,
    ),
    InputError: (ErrorKind.BAD_INPUT, ErrorKind.NO_IMAGE),
    Cancelled: (ErrorKind.CANCELLED,),
}
_CLASSES = {reason: cls for cls, reasons in KINDS.items() for reason in reasons}
