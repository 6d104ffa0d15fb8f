"""The `Link` header field: the links of a response, which precede those of its page (RFC 8288 §3).

</a.webp>; rel=preload; as=image; imagesrcset="/a.webp 1x, /b.webp 2x", </c.css>; rel=preload; as=style
"""

from __future__ import annotations

import re

from imgfetch.markup.page.html import Link
from imgfetch.markup.srcset import excerpt
from imgfetch.model.markup import Problem

_BLANK = r"[ \t\r\n]"
_TARGET = re.compile(rf"{_BLANK}*+<([^>]*+)>")
_PARAMETER = re.compile(
    rf"""{_BLANK}*+ ; {_BLANK}*+
         (?: ([A-Za-z0-9!#$&+.^_`|~-]++) (?: {_BLANK}*+ = {_BLANK}*+
             (?: "((?:[^"\\]++|\\.)*+)" | ([^;," \t\r\n][^;,"]*+) ) )?+ )?+""",
    re.VERBOSE | re.DOTALL,
)
_END = re.compile(rf"""{_BLANK}*+(?:,|\Z)""")
_NEXT = re.compile(r"""(?:[^,"]++|"(?:[^"\\]++|\\.)*+"?)*+,?""", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NEED_A_VALUE = frozenset({"rel", "title", "media", "type", "rev", "hreflang", "referrerpolicy"})
"""The parameters that are invalid without a value."""


def parse_link_header(value: str) -> tuple[Link, ...]:
    """Return the links of a `Link` field value, in order.

    As in Chromium, a link with a part that cannot be read is skipped, and so is a link of another document
    (an `anchor`).
    """
    return read_link_header(value)[0]


def read_link_header(value: str) -> tuple[tuple[Link, ...], tuple[Problem, ...]]:
    """Return the links of a `Link` field value, and the parts that could not be read, with the reasons."""
    links = []
    problems = []
    position = 0
    while position < len(value):
        start = position
        reason = "a link begins with its URL in angle brackets"
        target = _TARGET.match(value, position)
        if target is not None:
            position = target.end()
            parameters: dict[str, str | None] = {}
            while parameter := _PARAMETER.match(value, position):
                position = parameter.end()
                name, quoted, token = parameter.groups()
                text = _ESCAPED.sub(r"\1", quoted) if quoted is not None else token and token.rstrip()
                if name:
                    parameters.setdefault(name.lower(), text)
            readable = _END.match(value, position) and _have_values(parameters)
            reason = "" if readable else "not all parameters of this link can be read"
            if readable and "anchor" not in parameters:
                links.append(_link(target[1].strip(" \t\r\n"), parameters))
        position = max(position + 1, following.end() if (following := _NEXT.match(value, position)) else 0)
        if reason and (found := value[start:position].strip(" \t\r\n,")):
            problems.append(Problem(start, excerpt(found), reason))
    return tuple(links), tuple(problems)


def _have_values(parameters: dict[str, str | None]) -> bool:
    return all(text is not None for name, text in parameters.items() if name in _NEED_A_VALUE)


def _link(href: str, parameters: dict[str, str | None]) -> Link:
    get = parameters.get
    return Link(
        rel=get("rel"),
        href=href,
        as_=get("as"),
        media=get("media"),
        type=get("type"),
        imagesrcset=get("imagesrcset"),
        imagesizes=get("imagesizes"),
        referrerpolicy=get("referrerpolicy"),
    )
