"""The exceptions a caller can meet: one root, and a child for each thing that can be done about it.

An expected failure is a `Failed` value inside the house; it becomes one of these only where a caller
asked for one image and cannot have it (`Client.get`, `fetch`), or where there is no fetch to go on with.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from imgfetch.model import Failed, Reason
from imgfetch.redaction import without_credentials

if TYPE_CHECKING:
    from collections.abc import Collection

E = TypeVar("E", bound=StrEnum)


class ImgfetchError(Exception):
    """Anything imgfetch reports. `str()` is one printable line: `<url>: <what happened>; <what to do>`."""

    def __init__(
        self,
        kind: Reason,
        message: str,
        url: str = "",
        *,
        http_status: int | None = None,
        attempts: int = 0,
        retryable: bool = False,
        hint: str | None = None,
    ) -> None:
        self.kind = kind
        """A stable slug, explained in docs/errors.md."""
        self.message = message
        self.url = url
        """The URL, path or input that the error is about; secrets removed."""
        self.http_status = http_status
        self.attempts = attempts
        self.retryable = retryable
        self.hint = hint
        super().__init__(one_line(url, message, hint))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.failed())

    def failed(self) -> Failed:
        """The same, as a value."""
        return Failed(
            self.kind,
            self.message,
            self.url,
            http_status=self.http_status,
            attempts=self.attempts,
            retryable=self.retryable,
            hint=self.hint,
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


def error_for(failed: Failed) -> ImgfetchError:
    """The exception of the right class that says what `failed` says."""
    return _rebuild(_CLASSES[failed.reason], failed)


def member(names: type[E], name: str) -> E:
    """The member of an enumeration that a caller named. Raises `InputError` (`bad_input`)."""
    if type(name) is names:  # as nearly always
        return name
    try:
        return names(name)
    except ValueError as error:
        raise InputError(Reason.BAD_INPUT, f"{name!r} is none of {', '.join(names)}") from error


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


def printable(text: str) -> str:
    """The text with every character a terminal might act on written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _rebuild(cls: type[ImgfetchError], failed: Failed) -> ImgfetchError:
    return cls(
        failed.reason,
        failed.message,
        failed.url,
        http_status=failed.http_status,
        attempts=failed.attempts,
        retryable=failed.retryable,
        hint=failed.hint,
    )


REASONS: dict[type[ImgfetchError], tuple[Reason, ...]] = {
    NetworkError: (
        Reason.DNS,
        Reason.CONNECT,
        Reason.TIMEOUT,
        Reason.RESET,
        Reason.INCOMPLETE,
        Reason.PROTOCOL,
        Reason.TLS,
    ),
    HTTPError: (
        Reason.HTTP_STATUS,
        Reason.RATE_LIMITED,
        Reason.TOO_MANY_REDIRECTS,
        Reason.BAD_REDIRECT,
    ),
    PolicyError: (
        Reason.BAD_URL,
        Reason.BLOCKED,
        Reason.OPTED_OUT,
        Reason.TOO_LARGE,
        Reason.TOO_MANY_PIXELS,
        Reason.TOO_MANY_FRAMES,
        Reason.TOO_MANY_IMAGES,
        Reason.UNSUPPORTED_FORMAT,
        Reason.OFFLINE,
        Reason.NOT_LOCKED,
    ),
    ContentError: (
        Reason.EMPTY,
        Reason.NOT_IMAGE,
        Reason.NOT_PAGE,
        Reason.CORRUPT,
        Reason.TRUNCATED,
        Reason.BAD_ENCODING,
        Reason.INTEGRITY,
        Reason.WIDTH_MISMATCH,
        Reason.PLACEHOLDER,
    ),
    CacheError: (
        Reason.DISK_FULL,
        Reason.PERMISSION,
        Reason.CACHE_LOCKED,
        Reason.CACHE_CORRUPT,
        Reason.CACHE_VERSION,
        Reason.NOT_A_CACHE,
        Reason.IO,
    ),
    InputError: (Reason.BAD_INPUT, Reason.NO_IMAGE),
    Cancelled: (Reason.CANCELLED,),
}
_CLASSES = {reason: cls for cls, reasons in REASONS.items() for reason in reasons}
