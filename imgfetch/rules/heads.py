"""What of a response's head is kept with the bytes, and what a 304 changes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.model import Entry, Head

_OF_THE_CONNECTION = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

_SECRET = frozenset({"set-cookie", "set-cookie2"})
"""Of the user, not of the image."""

_OF_THE_BYTES = frozenset(
    {
        # A 304 does not carry the bytes: Content-Length is excepted by RFC 9111 §3.2; the others say how
        # the kept bytes were read, and some origins put there what suits the empty body of the 304.
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
    }
)


def storable(head: Head) -> Head:
    """The head without what is of the connection it came over (RFC 9111 §3.1), and without cookies."""
    excepted = _OF_THE_CONNECTION | _SECRET | _listed(head.get("connection"))
    return replace(head, headers=tuple(field for field in head.headers if field[0] not in excepted))


def refreshed(entry: Entry, head: Head, *, asked_at: float, received_at: float) -> Entry:
    """The entry with the fields of a 304 taken in: each replaces all of its name (RFC 9111 §3.2, §4.3.4).

    Status and URL stay those of the response whose bytes are kept.
    """
    taken = tuple(field for field in storable(head).headers if field[0] not in _OF_THE_BYTES)
    names = {name for name, _ in taken}
    kept = tuple((name, value) for name, value in entry.head.headers if name not in names)
    return replace(
        entry, head=replace(entry.head, headers=kept + taken), asked_at=asked_at, received_at=received_at
    )


def _listed(connection: str | None) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in (connection or "").split(","))
