"""The address of a page that was saved to a file, as the page itself tells it.

    page ─▶ comment of the program that saved it │ link rel=canonical │ og:url ─▶ URL, and where it stood

The first that is an absolute http: or https: URL is taken. A `<base>` of the page is resolved against it.
"""

from __future__ import annotations

import html
import re

LOOKED_AT = 256 * 1024
"""Characters of a page that are searched: what tells its address stands in its head."""


def base_url_of(page: str) -> tuple[str, str] | None:
    """Return the URL of a saved page, and in words where it stood; None where the page does not tell it.

    Take time linear in the page.
    """
    head = page[:LOOKED_AT]
    for pattern in _SAVED:
        saved = pattern.search(head, 0, _WITHIN)
        if saved and (url := _absolute(saved[1])):
            return url, "base URL by the program that saved it"
    by_graph = ""
    for tag in _TAG.finditer(head):
        attributes = {name.lower(): value.strip("\"'") for name, value in _ATTRIBUTE.findall(tag[2])}
        if tag[1].lower() == "link":
            if "canonical" in attributes.get("rel", "").lower().split() and (
                url := _absolute(attributes.get("href", ""))
            ):
                return url, "base URL by its link rel=canonical"
        elif attributes.get("property", "").lower() == "og:url" and not by_graph:
            by_graph = _absolute(attributes.get("content", ""))
        elif attributes.get("name", "").lower() == "savepage-url" and (
            url := _absolute(attributes.get("content", ""))
        ):
            return url, "base URL by the program that saved it"  # Save Page WE
    return (by_graph, "base URL by its og:url") if by_graph else None


_WITHIN = 4096
_SAVED = (
    # Chromium and Internet Explorer; the four digits are the length of the URL.
    re.compile(r"<!--\s*+saved from url=\([0-9]{4}\)([^\s>]++)", re.IGNORECASE),
    re.compile(r"<!--\s*+Page saved with SingleFile\s*+url:\s*+([^\s>]++)", re.IGNORECASE),
    # WebScrapBook
    re.compile(r"""<html\b[^<>]*?\sdata-scrapbook-source=["']?([^\s"'<>]++)""", re.IGNORECASE),
)
"""How programs write the address of a page into the beginning of its copy."""
_TAG = re.compile(r"<(link|meta)\b([^<>]*+)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([A-Za-z:-]++)\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s"'>]++)""")
_URL = re.compile(r"https?://[^\s<>\"]++", re.IGNORECASE)


def _absolute(text: str) -> str:
    found = _URL.fullmatch(html.unescape(text).strip())
    return found[0] if found else ""
