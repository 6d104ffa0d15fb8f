"""Read what an origin says with a refusal, and name the option that helps.

403 or 429 ─▶ may_explain ─▶ the first bytes of the body ─▶ explained: the failure, with reason and hint
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from imgfetch.errors import printable
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.request import Head, Request
    from imgfetch.model.result import Failure

MOST_BYTES = 16_384
"""Bytes of an error body that are read: error pages have their text below their style."""

NEEDS_CONTACT = "contact=… adds a way to reach you to the User-Agent"
NEEDS_REFERRER = "referer=… names the page of the image"
NEEDS_LOGIN = "cookies=… sends those of a browser that is logged in"
NEEDS_NO_REFERRER = 'referrer_policy="no-referrer" sends no Referer'


def may_explain(head: Head) -> bool:
    """Return True if the body of a response may say why it is refused, in plain words."""
    media_type = (head.get("content-type") or "text/plain").partition(";")[0].strip().lower()
    is_text = media_type.startswith("text/") or media_type.endswith(("json", "xml"))
    return head.status in (403, 429) and is_text and not head.get("content-encoding")


def explained(failed: Failure, head: Head, body: bytes, request: Request) -> Failure:
    """Return the failure with the reason in its message, if that is a short text, and with a hint.

    `body` is what came of it; `request` is the one that was refused. The message repeats nothing of the
    request that may be a secret.
    """
    text = " ".join(body.decode("utf-8", "replace").split())
    message = failed.message
    if _is_plain(head) and _says_something(text) and not _repeats(text, request):
        message = f"{message}: “{printable(re.sub(_URL, lambda url: urls.redact(url[0]), text))}”"
    return failed._replace(message=message, hint=failed.hint or _hint(text.lower(), request))


def _hint(text: str, request: Request) -> str | None:
    """Return the hint for an error text in lower case; None where it names nothing that an option sets."""
    fields = dict(request.headers)
    if re.search("user[- ]?agent", text) and not re.search("@|://", fields.get("user-agent", "")):
        return NEEDS_CONTACT
    if re.search("hot-?link|refer+er", text):
        return NEEDS_NO_REFERRER if "referer" in fields else NEEDS_REFERRER
    if re.search(r"\b(?:log|sign)(?:ged)?[- ]?in\b", text) and "cookie" not in fields:
        return NEEDS_LOGIN
    return None


def _is_plain(head: Head) -> bool:
    return (head.get("content-type") or "").partition(";")[0].strip().lower() == "text/plain"


def _says_something(text: str) -> bool:
    """Return True if a text is short and says more than the status does."""
    words = re.sub(r"[\W\d_]+", " ", text).strip().lower()
    return len(words) > 2 and len(text) <= _LONGEST and not re.fullmatch(_STATUS, words)


def _repeats(text: str, request: Request) -> bool:
    """Return True if a text has a part of the request that may be a secret."""
    return any(secret in text for secret in _secrets_of(request))


def _secrets_of(request: Request) -> Iterator[str]:
    """Yield the values of the request that may be secrets, whole and in parts."""
    _, _, query = request.url.partition("?")
    for part in re.split("[&;=]", query):
        if len(part) >= _SHORTEST_VALUE:
            yield from (part, unquote_plus(part))
    for name, value in request.headers:
        if name not in _PUBLIC:
            yield from (
                part for part in (value, *re.split("[;=, ]+", value)) if len(part) >= _SHORTEST_SECRET
            )


_LONGEST = 180
"""Characters of a reason: a whole error has 300."""

_SHORTEST_VALUE = 6
"""Characters of a part of a query that may be a secret; shorter ones are sizes and names."""

_SHORTEST_SECRET = 3
"""Characters of a part of the caller's fields that may be a secret."""

# Compiled by their first use: most responses are no errors.
_STATUS = "(?:http |error )*(?:forbidden|too many requests|access denied)"
_URL = r"https?://[^\s<>\"']+"

_PUBLIC = frozenset({"user-agent", "accept", "accept-encoding", "referer", "range", "cache-control"})
"""Fields of the request without secrets, or with URLs, which are redacted."""
