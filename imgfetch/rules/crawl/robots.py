"""robots.txt: what the owner of an origin lets a crawler ask for (RFC 9309).

    bytes ─▶ read ─▶ Rules ─▶ allows a target, or not

No library is used: Protego, the best known, copies each rule for each crawler that a group names, so that
100 KB of hostile text cost it 24 s and a gigabyte; and the standard library's takes the first rule that
matches for the most specific one.
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
"""Bytes of a robots.txt that are read; the rest is passed over (RFC 9309 §2.5)."""

MOST_REDIRECTS = 5
"""How many redirects lead to a robots.txt at most (RFC 9309 §2.3.1.2)."""

MOST_WORK = 2**28
"""Characters compared for one URL: a tenth of a second. Its own robots.txt cannot hold up all other origins;
a thousand patterns of 16 characters with a star, and a URL of 16 KB, are within it."""

LIFETIME = 24 * 3600.0
"""Seconds for which a robots.txt holds (RFC 9309 §2.4)."""


class Rule(NamedTuple):
    """A pattern, in which `*` stands for anything and a `$` at the end for the end."""

    pattern: str
    allow: bool


class Rules(NamedTuple):
    """The rules for one crawler, the most specific first; where there are none, all is allowed."""

    rules: tuple[Rule, ...] = ()

    def allows(self, target: str) -> bool:
        """Whether a URL's path and query may be asked for: the longest pattern decides (RFC 9309 §2.2.2).

        Where to find out would take more than `MOST_WORK`, it may not.
        """
        if target == "/robots.txt":
            return True
        # What is special in a pattern is not in a URL (§2.2.3).
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
    """The rules for the crawler that goes by `token`, else for all. Reads any bytes, in time linear in them.

    Of several groups for one crawler, all hold (RFC 9309 §2.2.1).
    """
    token = token.lower()
    ours: dict[str, bool] = {}
    everybodys: dict[str, bool] = {}
    named = is_ours = is_everybodys = in_rules = False
    for field, value in _lines(data):
        if field == "user-agent":
            if in_rules:  # a group ends where the next one begins
                is_ours = is_everybodys = in_rules = False
            is_ours = is_ours or _token(value) == token
            is_everybodys = is_everybodys or value.split()[:1] == ["*"]
            named = named or is_ours
            continue
        in_rules = True
        pattern = _canonical_pattern(value)
        for wanted, rules in ((is_ours, ours), (is_everybodys, everybodys)):
            if wanted and pattern:
                # Of two that are the same, the one that allows is taken (§2.2.2).
                rules[pattern] = rules.get(pattern, False) or field == "allow"
    return _sorted(ours if named else everybodys)


def token(user_agent: str) -> str:
    """The name that a robots.txt calls us by: the first of a User-Agent, unless a browser's, else ours."""
    found = _token(user_agent)
    return found if found not in ("", "mozilla") else "imgfetch"


def is_unavailable(failed: Failure) -> bool:
    """Whether there is no robots.txt, so that all is allowed; else nothing is (RFC 9309 §2.3.1.3, §2.3.1.4).

    Who answers 429 has one, but not now.
    """
    if failed.kind is ErrorKind.HTTP_STATUS:
        return 400 <= (failed.http_status or 0) < 500
    return failed.kind in (ErrorKind.EMPTY, ErrorKind.TOO_MANY_REDIRECTS)


_FIELDS = {
    "user-agent": "user-agent",
    "useragent": "user-agent",
    "user agent": "user-agent",
    "allow": "allow",
    # So it is meant, and so Google reads it.
    **dict.fromkeys(("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"), "disallow"),
}

_END_OF_LINE = re.compile(rb"\r\n|\r|\n")
_TOKEN = re.compile(r"[a-z_-]+")
_ODD = re.compile(r"[^A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]")


def _lines(data: bytes) -> Iterator[tuple[str, str]]:
    """The lines that count, by their field; all others are passed over."""
    for line in _END_OF_LINE.split(data[:LONGEST].removeprefix(b"\xef\xbb\xbf")):
        text = line.partition(b"#")[0].decode("latin-1").strip()  # an octet is a character, and stays one
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
    # Of two as long, the one that allows is taken.
    first = sorted(rules.items(), key=lambda rule: (len(rule[0]), rule[1]), reverse=True)
    return Rules(tuple(Rule(pattern, allow) for pattern, allow in first))


def _canonical_pattern(value: str) -> str:
    """A pattern as it is compared; the empty string where it can match nothing."""
    if value[:1] not in ("/", "*"):
        return ""
    end = "$" if value.endswith("$") else ""
    return re.sub(r"\*+", "*", _canonical(value.removesuffix("$")).replace("$", "%24")) + end


def _canonical(path: str) -> str:
    """Escapes where they are needed, and none where they are not (RFC 9309 §2.2.2)."""
    return normal_escapes(_ODD.sub(lambda match: f"%{ord(match[0]):02X}", path))


def _work(pattern: str, target: str) -> int:
    """How many characters it takes to look for a pattern, at worst; what has no star is found at once."""
    if "*" not in pattern:
        return 0
    # CPython looks for 100 characters or more in time linear in both (Objects/stringlib/fastsearch.h).
    return len(target) * min(len(pattern), 100)


def _matches(pattern: str, target: str) -> bool:
    """Whether a pattern matches from the beginning on: each part where it first can, the last at the end."""
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
