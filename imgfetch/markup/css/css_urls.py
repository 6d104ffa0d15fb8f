"""The URLs of images in CSS, with their offsets: for a program that changes them.

css ─▶ tokens ─▶ open functions ─▶ CssUrl: the URL of `url()`, and strings in `url()` and `image-set()`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup.css.css_tokens import CLOSING, name_of, tokenize, unescaped

if TYPE_CHECKING:
    from collections.abc import Iterator

_WITH_A_URL = frozenset({"url", "src", "image-set", "-webkit-image-set"})
"""Functions in which a string is a URL."""


class CssUrl(NamedTuple):
    """A URL in CSS."""

    start: int
    """Offset in characters of what is written, without quotes."""
    end: int
    url: str
    """What is written, with its escapes undone."""
    quote: str
    """The quotes around it; empty for one without quotes."""


def find_css_urls(css: str) -> Iterator[CssUrl]:
    """Yield the URLs that CSS may load as images. Never raise; take time linear in the text."""
    open_: list[tuple[str, str]] = []  # the closing bracket and the function of each open bracket
    for token in tokenize(css):
        match token.lastgroup:
            case "function":
                open_.append((")", name_of(token["name"])))
            case "open":
                open_.append((CLOSING[token[0]], ""))
            case "close" if open_ and open_[-1][0] == token[0]:
                open_.pop()
            case "url":
                yield CssUrl(token.start("url"), token.end("url"), unescaped(token["url"]), "")
            case "string" if open_ and open_[-1][1] in _WITH_A_URL:
                written = token[0]
                is_closed = len(written) > 1 and written[-1] == written[0]
                start, end = token.start() + 1, token.end() - is_closed
                yield CssUrl(start, end, unescaped(css[start:end]), written[0])
