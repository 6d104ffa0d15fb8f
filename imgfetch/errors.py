"""The exceptions a caller can meet: one root, and a child for each thing that can be done about it.

An expected failure is a `Failure` value inside the house; it becomes one of these only where a caller
asked for one image and cannot have it (`Client.get`, `fetch`), or where there is no fetch to go on with.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from imgfetch.model.result import ErrorKind, Failure
from imgfetch.redaction import without_credentials

if TYPE_CHECKING:
    from collections.abc import Collection

    from imgfetch.model.values import LimitName

E = TypeVar("E", bound=StrEnum)


class ImgfetchError(Exception):
    """Anything imgfetch reports. `str()` is one printable line: `<url>: <what happened>; <what to do>`."""

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
        """The URL, path or input that the error is about; secrets removed."""
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
        """The same, as a value."""
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
    """The origin could not be reached or the connection broke: asking again later may help."""


class CheckDueError(Exception):
    """A stored object is to be hashed before it is used, and is large: look it up again in a thread.

    Only `imgfetch.ports.Store` raises it, where it is asked to answer `at_once`; a caller never meets it.
    """


class Unreachable(NetworkError):
    """No connection came about: what is said of one URL holds for all of its host."""


class HTTPError(ImgfetchError):
    """The origin answered, but not with the image: look at the URL and `http_status`."""


class PolicyError(ImgfetchError):
    """We declined: raise the limit named in the message, or allow the host, if you trust it."""


class ContentError(ImgfetchError):
    """Bytes came, but they are not one whole image: try another rendition, or the origin again."""


class CacheError(ImgfetchError):
    """The cache cannot be used: mend the directory or name another."""


class InputError(ImgfetchError):
    """What was given is not a source: correct the argument."""


class Cancelled(ImgfetchError):
    """Somebody asked us to stop."""


def error_for(failed: Failure) -> ImgfetchError:
    """The exception of the right class that says what `failed` says."""
    return _rebuild(_CLASSES[failed.kind], failed)


def member(names: type[E], name: str) -> E:
    """The member of an enumeration that a caller named. Raises `InputError` (`bad_input`)."""
    if type(name) is names:  # as nearly always
        return name
    try:
        return names(name)
    except ValueError as error:
        raise InputError(ErrorKind.BAD_INPUT, f"{name!r} is none of {', '.join(names)}") from error


def several(texts: Collection[str], name: str) -> tuple[str, ...]:
    """The texts of a parameter. Raises `TypeError` for a lone one, which is a collection too: of letters."""
    if isinstance(texts, str):
        raise TypeError(f"{name} takes several texts; a single one goes in a list: [{texts!r}]")
    return tuple(texts)


def one_line(url: str, message: str, hint: str | None = None, *, limit: int = 300) -> str:
    """Join `<url>: <message>; <hint>`: printable, without credentials, and at most `limit` characters."""
    text = ": ".join(part for part in (url, message) if part)
    if hint:
        text += f"; {hint}"
    text = printable(without_credentials(text[: limit + 4096]))  # behind that, nothing is shown
    return text if len(text) <= limit else text[: limit - 1] + "…"


def limit_hint(limit: LimitName | None) -> str | None:
    """Return the hint for a failure at a limit, as a caller of the library reads it."""
    return None if limit is None else f"Limits({limit}=…) sets the limit"


def printable(text: str) -> str:
    """The text with every character a terminal might act on written as an escape."""
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
