"""Vary: the request fields by which a stored response was selected (RFC 9111 §4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.rules.http.cache_control import members

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.model.image import Entry
    from imgfetch.model.request import Head


def varying(head: Head) -> tuple[str, ...]:
    """Return the names of the request fields that Vary lists, in lower case and sorted; `*` means any."""
    value = head.fields.get("vary")
    return () if value is None else tuple(sorted({part.lower() for part in members(value)}))


def selecting(head: Head, headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the request fields that selected a response, normalised: a later request must have the same.

    Fields that the request lacks are left out: absent must match absent.
    """
    names = varying(head)
    if not names or "*" in names:  # `*`: the response is found, and always revalidated
        return ()
    fields = [(name.lower(), value) for name, value in headers]
    chosen = []
    for name in names:
        values = [value for other, value in fields if other == name]
        if values:
            chosen.append((name, _normal(name, ", ".join(values))))
    return tuple(chosen)


def matches(entry: Entry, headers: Iterable[tuple[str, str]]) -> bool:
    """Return whether fields such as these select the stored response."""
    return entry.vary_values == selecting(entry.head, headers)


def _normal(name: str, value: str) -> str:
    """Return one spelling for values that mean the same.

    Spaces do not count, nor do order and case in preferences.
    Other fields may be secrets (a token, a cookie). They are only compared, so a digest is enough.
    """
    if name in _PREFERENCES:
        return ",".join(sorted("".join(member.lower().split()) for member in members(value)))
    from hashlib import sha256  # it loads OpenSSL, and few responses vary

    return "sha256:" + sha256(",".join(members(value)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


_PREFERENCES = frozenset({"accept", "accept-charset", "accept-encoding", "accept-language"})
