"""A line of crawled news text, the first use of this project, with prose around it."""

from __future__ import annotations

HOST = "https://s3-minsk.becloud.by"
_FOLDER = "/media-assets/news-by/bd9040db-77f4-4a9d-b29f-ecd6a784f46c/conversions/"
_FILE = "b4a0fe5d-2c2d-4f1b-a5ae-3ac601866998-{}-___webp_{}.webp"

PATHS = {
    width: _FOLDER + _FILE.format(name, width)
    for name, width in (("sm", 480), ("md", 768), ("lg", 1280), ("xl", 1920))
}
"""The path of each width on the host."""

_PROSE = """

In a telephone conversation the previous day, the two sides spoke of trade, of transport – and, "above all",
of the weather; the harvest, they agreed, was late. Another call is planned, for 480 or so guests, at 1 p.m.
"""


def text(host: str = HOST) -> str:
    """Return the text with the URLs of its images on `host`."""
    offered = ", ".join(f"{host}{path} {width}w" for width, path in PATHS.items())
    return f" date 2025-05-26 news.by {offered}{_PROSE}"
