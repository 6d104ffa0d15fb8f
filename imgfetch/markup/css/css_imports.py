"""CSS: the style sheets that a style sheet imports (CSS Cascade 5 §2).

@import url(a.css) layer(b) supports(display: grid) screen; ─▶ Import(url, media)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup.css.css_tokens import name_of, tokenize, unescaped

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEFORE_IMPORTS = frozenset({"charset", "layer"})
"""At-rules without a block that may stand before an import."""
_CONDITIONS = re.compile(
    r"(?i)\A\s*+(?:layer(?![\w-])(?:\([^()]*+\))?\s*+)?(?:supports\((?:[^()]|\([^()]*+\))*+\)\s*+)?"
)


class Import(NamedTuple):
    """An `@import`."""

    url: str
    media: str = ""
    """The media query list, without layer and supports conditions; empty for all media."""


def find_imports(css: str) -> Iterator[Import]:
    """Yield the imports of a style sheet: those before its first other rule have an effect. Never raise."""
    url: str | None = None
    start = end = 0
    is_import = in_function = is_passed = False
    for token in tokenize(css):
        kind = token.lastgroup
        if kind in ("space", "comment") or token[0] in ("<!--", "-->"):
            continue
        if is_import and url is None:
            if kind == "url":
                url, end = unescaped(token["url"]), token.end()
            elif kind == "function" and not in_function and name_of(token["name"]) in ("url", "src"):
                in_function = True
            elif kind == "string":
                url, end = (
                    unescaped(token[0][1:-1] if token[0][-1] == token[0][0] else token[0][1:]),
                    token.end(),
                )
            else:
                return
        elif in_function:
            if token[0] != ")":
                return
            in_function, end = False, token.end()
        elif token[0] == ";" and (is_import or is_passed):
            if url:
                yield Import(url, _CONDITIONS.sub("", css[end : token.start()]).strip())
            url, is_import, is_passed = None, False, False
        elif is_import or is_passed:
            if kind == "open" and token[0] == "{":
                return
        elif kind == "at" and name_of(token["at"]) == "import":
            is_import = True
        elif kind == "at" and name_of(token["at"]) in _BEFORE_IMPORTS:
            is_passed = True
        else:
            return
        start = token.end()
    if is_import and url:
        yield Import(url, _CONDITIONS.sub("", css[end:start]).strip())
