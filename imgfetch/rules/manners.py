"""What an origin asks of its guests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.model import Head


def retry_after(head: Head, *, now: float) -> float | None:
    """Seconds to wait by a Retry-After field (RFC 9110 §10.2.3), not negative; None where there is none.

    A field that is neither a number of seconds nor an HTTP-date is as good as none.
    """
    value = (head.get("retry-after") or "").strip()
    if value.isascii() and value.isdigit():
        # A number too long for a wait is too long for int(), which refuses more than 4,300 digits.
        return float(value) if len(value) < 300 else float("inf")
    date = http_date(value)
    return None if date is None else max(0.0, date - now)


def http_date(value: str) -> float | None:
    """Seconds since the epoch of an HTTP-date in any of its three forms (RFC 9110 §5.6.7), or None."""
    from email.utils import mktime_tz, parsedate_tz

    fields = parsedate_tz(value)
    try:
        return None if fields is None else float(mktime_tz(fields))
    except (ValueError, OverflowError):
        return None
