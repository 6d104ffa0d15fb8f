"""robots.txt: the paths that the owner of an origin allows a crawler to request (RFC 9309).

    bytes ─▶ read ─▶ Rules ─▶ allows: may a target be requested?

No library is used. Protego, the best known, copies each rule for each crawler of a group: 100 KB of hostile
text cost it 24 s and a gigabyte. The standard library's parser applies the first rule that matches, not the
most specific one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.result import ErrorKind
from imgfetch.rules.http.urls import normal_escapes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.result import Failure

LONGEST = 500 * 1024
"""Bytes of a robots.txt that are read; the rest is ignored (RFC 9309 §2.5)."""

MOST_REDIRECTS = 5
"""Redirects to a robots.txt at most (RFC 9309 §2.3.1.2)."""

MOST_WORK = 2**28
"""Characters compared for one URL at most: a tenth of a second, so that one robots.txt cannot delay all other
origins. A thousand patterns of 16 characters with a star stay within it for a URL of 16 KB."""

LIFETIME = 24 * 3600.0
"""Seconds for which a robots.txt is valid (RFC 9309 §2.4)."""


class Rule(NamedTuple):
    """A pattern: `*` matches any text, and a final `$` the end of the target."""

    pattern: str
    allow: bool


class Rules(NamedTuple):
    """The rules for one crawler, the most specific first; without rules everything is allowed."""

    rules: tuple[Rule, ...] = ()

    def allows(self, target: str) -> bool:
        """Return True if a target (path and query) may be requested: the longest pattern decides.

        See RFC 9309 §2.2.2. If the comparison would take more than `MOST_WORK`, the answer is False.
        """
        if target == "/robots.txt":
            return True
        # The special characters of patterns are ordinary ones in a URL (§2.2.3).
        canonical = _canonical(target).replace("*", "%2A").replace("$", "%24")
        work = 0
        for rule in self.rules:
            work += _work(rule.pattern, canonical)
            if work > MOST_WORK:
                return False
            if _matches(rule.pattern, canonical):
                return rule.allow
        return True


def read(data: bytes, token: str) -> Rules:
    """Return the rules for the crawler `token`, or those for all crawlers if it is not named.

    Any bytes are accepted; time is linear in their number. Several groups for one crawler are joined (RFC
    9309 §2.2.1).
    """
    token = token.lower()
    own: dict[str, bool] = {}
    common: dict[str, bool] = {}
    named = for_us = for_all = in_rules = False
    for field, value in _lines(data):
        if field == "user-agent":
            if in_rules:  # a group ends where the next one begins
                for_us = for_all = in_rules = False
            for_us = for_us or _token(value) == token
            for_all = for_all or value.split()[:1] == ["*"]
            named = named or for_us
            continue
        in_rules = True
        pattern = _canonical_pattern(value)
        for applies, rules in ((for_us, own), (for_all, common)):
            if applies and pattern:
                # If a pattern comes twice, `allow` wins (§2.2.2).
                rules[pattern] = rules.get(pattern, False) or field == "allow"
    return _sorted(own if named else common)


def token(user_agent: str) -> str:
    """Return our name in a robots.txt: the first of the User-Agent, or `imgfetch` if that is a browser's."""
    found = _token(user_agent)
    return found if found not in ("", "mozilla") else "imgfetch"


def is_unavailable(failed: Failure) -> bool:
    """Return True if the failure means that there is no robots.txt, so that everything is allowed.

    Any other failure allows nothing (RFC 9309 §2.3.1.3, §2.3.1.4). Such a one is 429: a robots.txt may exist.
    """
    if failed.kind is ErrorKind.HTTP_STATUS:
        return 400 <= (failed.http_status or 0) < 500
    return failed.kind in (ErrorKind.EMPTY, ErrorKind.TOO_MANY_REDIRECTS)


_FIELDS = {
    "user-agent": "user-agent",
    "useragent": "user-agent",
    "user agent": "user-agent",
    "allow": "allow",
    # Google accepts these misspellings too.
    **dict.fromkeys(("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"), "disallow"),
}

_END_OF_LINE = re.compile(rb"\r\n|\r|\n")
_TOKEN = re.compile(r"[a-z_-]+")
_ODD = re.compile(r"[^A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]")


def _lines(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the field and the value of each line that has a known field."""
    for line in _END_OF_LINE.split(data[:LONGEST].removeprefix(b"\xef\xbb\xbf")):
        text = line.partition(b"#")[0].decode("latin-1").strip()  # one character for each octet
        name, colon, value = text.partition(":")
        if not colon:
            name, _, value = text.partition(" ")
        field = _FIELDS.get(name.strip().lower())
        if field is not None:
            yield field, value.strip()


def _token(value: str) -> str:
    found = _TOKEN.match(value.lower())
    return found[0] if found else ""


def _sorted(rules: dict[str, bool]) -> Rules:
    # Of two patterns of equal length, the one that allows wins.
    ordered = sorted(rules.items(), key=lambda rule: (len(rule[0]), rule[1]), reverse=True)
    return Rules(tuple(Rule(pattern, allow) for pattern, allow in ordered))


def _canonical_pattern(value: str) -> str:
    """Normalise a pattern for comparison; return an empty string if it cannot match anything."""
    if value[:1] not in ("/", "*"):
        return ""
    end = "$" if value.endswith("$") else ""
    return re.sub(r"\*+", "*", _canonical(value.removesuffix("$")).replace("$", "%24")) + end


def _canonical(path: str) -> str:
    """Escape the characters that need it, and no others (RFC 9309 §2.2.2)."""
    return normal_escapes(_ODD.sub(lambda match: f"%{ord(match[0]):02X}", path))


def _work(pattern: str, target: str) -> int:
    """Return the characters compared in the worst case; a pattern without a star costs nothing."""
    if "*" not in pattern:
        return 0
    # From 100 characters on, CPython's search takes linear time (Objects/stringlib/fastsearch.h).
    return len(target) * min(len(pattern), 100)


def _matches(pattern: str, target: str) -> bool:
    """Return True if a pattern matches from the start of the target.

    Each part between stars is matched as early as possible, and the part before `$` at the end.
    """
    if "*" not in pattern:
        return target == pattern[:-1] if pattern[-1] == "$" else target.startswith(pattern)
    first, *parts = pattern.removesuffix("$").split("*")
    if not target.startswith(first):
        return False
    at = len(first)
    last = parts.pop() if pattern[-1] == "$" else ""
    for part in parts:
        found = target.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return target.endswith(last) and len(target) - len(last) >= at
