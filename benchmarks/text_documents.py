"""Documents of text in any size, with an image for about each 400 bytes: for `documents.py`."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = "When a cyclist crossed the quiet harbour, the bridge was still closed. " * 4


def repeated(head: str, part: Callable[[str], str], tail: str, size: int, *, between: str = "") -> bytes:
    """Return a document of so many parts that it has a size; each part has its own URL."""
    parts: list[str] = []
    left = size - len(head) - len(tail)
    for number in count():
        parts.append(part(f"https://h.example/media/{number}.jpg"))
        left -= len(parts[-1]) + len(between)
        if left <= 0:
            break
    return (head + between.join(parts) + tail).encode()


def rss(size: int) -> bytes:
    """Return a feed with an enclosure and content in CDATA for each item."""
    return repeated(
        '<?xml version="1.0"?><rss version="2.0"><channel>',
        lambda url: (
            f"<item><title>A</title><link>{url}.html</link><description><![CDATA[<p>{TEXT}</p>"
            f'<img src="{url}">]]></description><enclosure url="{url}?large" type="image/jpeg"/></item>\n'
        ),
        "</channel></rss>",
        size,
    )


def sitemap(size: int) -> bytes:
    """Return a sitemap with an image for each page."""
    return repeated(
        '<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
        'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">',
        lambda url: (
            f"<url><loc>{url}.html</loc><image:image><image:loc>{url}</image:loc>"
            f"<image:caption>{TEXT}</image:caption></image:image></url>\n"
        ),
        "</urlset>",
        size,
    )


def xhtml(size: int) -> bytes:
    """Return a page in XML."""
    return repeated(
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>',
        lambda url: f'<div class="card"><p>{TEXT}</p><img src="{url}" alt="A"/></div>\n',
        "</body></html>",
        size,
    )


def catalogue(size: int) -> bytes:
    """Return XML of a vocabulary of its own."""
    return repeated(
        '<?xml version="1.0"?><catalogue>',
        lambda url: f"<product><name>{TEXT}</name><price>5</price><picture>{url}</picture></product>\n",
        "</catalogue>",
        size,
    )


def markdown(size: int) -> bytes:
    """Return Markdown."""
    return repeated("# News\n", lambda url: f"\n## A *story*\n\n{TEXT}\n\n![A]({url})\n", "", size)


def posts(size: int) -> bytes:
    """Return posts as WordPress gives them."""

    def post(url: str) -> str:
        html = f'<p>{TEXT}</p><img src="{url}" srcset="{url}?w=300 300w, {url}?w=900 900w">'
        return json.dumps({"id": 1, "link": f"{url}.html", "content": {"rendered": html}})

    return repeated("[", post, "]", size, between=",")


def rows(size: int) -> bytes:
    """Return an object on each line, with the URL of an image."""
    return repeated("", lambda url: json.dumps({"name": TEXT, "price": 5, "image": url}) + "\n", "", size)


def style_sheet(size: int) -> bytes:
    """Return a style sheet."""
    rule = "color: #333; margin: 0 auto; padding: 1rem 2rem; display: grid; gap: 1rem; "
    return repeated("", lambda url: f".card > a:hover {{ {rule * 4}background: url({url}) }}\n", "", size)


TEXTS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "feed (RSS)": ("a.rss", rss),
    "sitemap": ("sitemap.xml", sitemap),
    "XHTML": ("a.xhtml", xhtml),
    "other XML": ("catalogue.xml", catalogue),
    "Markdown": ("a.md", markdown),
    "JSON, posts": ("posts.json", posts),
    "JSON, lines": ("rows.jsonl", rows),
    "style sheet": ("a.css", style_sheet),
}
