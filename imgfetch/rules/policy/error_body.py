"""Read what an origin says with a refusal, and name the option that helps.

a refusal ─▶ may_explain ─▶ the first bytes of the body ─▶ explained: the failure, with reason and hint
                             text │ JSON │ XML │ HTML
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from imgfetch.errors import printable
from imgfetch.rules.http import urls
from imgfetch.rules.http.content_coding import coding_of

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
NEEDS_WHOLE_REFERRER = (
    'referrer_policy="strict-origin-when-cross-origin" sends the whole URL of the page, as browsers do; '
    '"no-referrer" sends none'
)
NEEDS_BROWSER = "cookies=… and user_agent=… of a browser that passed the check may help"


def may_explain(head: Head) -> bool:
    """Return True if the body of a response may say why it is refused, in plain words."""
    media_type = _media_type(head) or "text/plain"
    is_text = media_type.startswith("text/") or media_type.endswith(("json", "xml"))
    return head.status in _EXPLAINED and is_text and coding_of(head.get("content-encoding")) == ""


def explained(failed: Failure, head: Head, body: bytes, request: Request) -> Failure:
    """Return the failure with the reason in its message, if that is a short text, and with a hint.

    `body` is what came of it; `request` is the one that was refused. The message repeats nothing of the
    request that may be a secret.
    """
    if (head.get("cf-mitigated") or "").strip().lower() == "challenge":
        message = f"{failed.message}: Cloudflare first checks that a browser asks"
        return failed._replace(message=message, hint=failed.hint or NEEDS_BROWSER)
    text = body.decode("utf-8", "replace")
    message = failed.message
    for reason in _reasons(_media_type(head), text):
        said = " ".join(reason.split())
        if _says_something(said) and not _repeats(said, request):
            message = f"{message}: “{printable(re.sub(_URL, lambda url: urls.redact(url[0]), said))}”"
            break
    return failed._replace(message=message, hint=failed.hint or _hint(text.lower(), request))


def _reasons(media_type: str, text: str) -> Iterator[str]:
    """Yield the parts of an error body that may say why, the likeliest first."""
    if media_type == "text/plain":
        yield text
    elif media_type.endswith("json"):
        yield from _of_json(text)
    elif media_type == "text/html":
        for name in ("h1", "title"):
            if found := re.search(rf"(?is)<{name}\b[^<>]*+>(.{{0,1000}}?)</{name}", text):
                yield unescape(re.sub("<[^<>]*+>", " ", found[1]))
    elif media_type.endswith("xml"):  # as object stores answer (S3 REST API, error responses)
        yield from map(unescape, re.findall(r"(?is)<message>([^<]++)</message", text)[:1])


def _of_json(text: str) -> Iterator[str]:
    """Yield the texts of an error in JSON, also one of Problem Details (RFC 9457 §3.1)."""
    import json

    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    for _ in range(_MOST_LEVELS):
        if isinstance(found, list) and found:
            found = found[0]
        if not isinstance(found, dict):
            break
        named = {str(name).lower(): value for name, value in found.items()}
        yield from (named[name] for name in _MEMBERS if isinstance(named.get(name), str))
        found = next((named[name] for name in _OUTER if isinstance(named.get(name), dict | list)), None)


def _media_type(head: Head) -> str:
    return (head.get("content-type") or "").partition(";")[0].strip().lower()


def _hint(text: str, request: Request) -> str | None:
    """Return the hint for an error text in lower case; None where it names nothing that an option sets."""
    fields = dict(request.headers)
    if re.search("user[- ]?agent", text) and not re.search("@|://", fields.get("user-agent", "")):
        return NEEDS_CONTACT
    if re.search("hot-?link|refer+er", text):
        return _referrer_hint(fields.get("referer"), request.url)
    if re.search(r"\b(?:log|sign)(?:ged)?[- ]?in\b", text) and "cookie" not in fields:
        return NEEDS_LOGIN
    return None


def _referrer_hint(referer: str | None, url: str) -> str:
    """Return the hint for an origin that judges by the Referer: to send one, all of it, or none.

    A browser sends the whole URL of a page to its own origin, and to others the origin alone. An origin that
    refuses its own name may want more than that, or less.
    """
    if referer is None:
        return NEEDS_REFERRER
    is_shortened = referer == f"{urls.origin(url)}/"
    return NEEDS_WHOLE_REFERRER if is_shortened else NEEDS_NO_REFERRER


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


_EXPLAINED = frozenset({400, 401, 403, 429, 451})
"""Statuses of refusals: signed URLs that expired are refused with 400 too."""

_MEMBERS = ("message", "error_description", "detail", "errormessage", "reason", "error", "title")
"""Members of JSON with a reason, the likeliest first."""
_OUTER = ("error", "errors", "fault", "response")
"""Members of JSON that hold such an object."""
_MOST_LEVELS = 4

_LONGEST = 180
"""Characters of a reason: a whole error has 300."""

_SHORTEST_VALUE = 6
"""Characters of a part of a query that may be a secret; shorter ones are sizes and names."""

_SHORTEST_SECRET = 3
"""Characters of a part of the caller's fields that may be a secret."""

# Compiled by their first use: most responses are no errors.
_STATUS = (
    "(?:http |error )*(?:forbidden|too many requests|access denied|bad request|unauthorized"
    "|authorization required|error|unavailable for legal reasons)?(?: error)*"
)
_URL = r"https?://[^\s<>\"']+"

_PUBLIC = frozenset({"user-agent", "accept", "accept-encoding", "referer", "range", "cache-control"})
"""Fields of the request without secrets, or with URLs, which are redacted."""
