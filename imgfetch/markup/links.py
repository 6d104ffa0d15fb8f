"""The `Link` header field: what a response says before its page does (RFC 8288 §3).

</a.webp>; rel=preload; as=image; imagesrcset="/a.webp 1x, /b.webp 2x", </c.css>; rel=preload; as=style
"""

from __future__ import annotations

import re

from imgfetch.markup.html import Link

_BLANK = r"[ \t\r\n]"
_TARGET = re.compile(rf"{_BLANK}*+<([^>]*+)>")
_PARAMETER = re.compile(
    rf"""{_BLANK}*+ ; {_BLANK}*+ ([^\s=;,"]*+)
         (?: {_BLANK}*+ = {_BLANK}*+ (?: "((?:[^"\\]++|\\.)*+)"? | ([^;,]*+) ) )?""",
    re.VERBOSE | re.DOTALL,
)
_NEXT = re.compile(r"""(?:[^,"]++|"(?:[^"\\]++|\\.)*+"?)*+,?""", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse_link_header(value: str) -> tuple[Link, ...]:
    """The links of a `Link` field value, in order; what cannot be read is passed over."""
    links = []
    position = 0
    while position < len(value):
        target = _TARGET.match(value, position)
        if target is not None:
            position = target.end()
            parameters: dict[str, str] = {}
            while parameter := _PARAMETER.match(value, position):
                position = parameter.end()
                quoted, token = parameter[2], parameter[3]
                text = _ESCAPED.sub(r"\1", quoted) if quoted is not None else (token or "").rstrip()
                parameters.setdefault(parameter[1].lower(), text)
            links.append(_link(target[1], parameters))
        position = max(position + 1, following.end() if (following := _NEXT.match(value, position)) else 0)
    return tuple(links)


def _link(href: str, parameters: dict[str, str]) -> Link:
    get = parameters.get
    return Link(
        rel=get("rel"),
        href=href,
        as_=get("as"),
        media=get("media"),
        type=get("type"),
        imagesrcset=get("imagesrcset"),
        imagesizes=get("imagesizes"),
    )
