"""Recorded responses, of a HAR or WARC archive: their pages, and the images that the archive has for them.

    records ─┬▶ redirects: the URLs that lead to each response
             ├▶ image responses ─▶ bodies, or their URLs where the archive lacks the bodies
             └▶ pages, style sheets, in the order of the archive ─▶ images, with bodies ─▶ the other images

Of a style sheet only the images are taken that the archive has: a browser loads no others.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.formats import sniff
from imgfetch.model.document import Document
from imgfetch.model.image import Defect
from imgfetch.model.markup import EmbeddedBody
from imgfetch.readers.containers.bodies import Bodies
from imgfetch.readers.decoded import unread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imgfetch.model.document import EachImage
    from imgfetch.model.markup import SourceSet

MAX_TEXT = 64_000_000
"""Bytes of one page."""

MAX_REDIRECTS = 10


class Record(NamedTuple):
    """A response that an archive recorded."""

    url: str
    status: int
    content_type: str
    """The Content-Type field; empty without one."""
    read: Callable[[int], bytes | Defect]
    """Decodes the body, as in `EmbeddedBody`."""
    date: float | None = None
    """When it was recorded, in seconds since 1970."""
    location: str = ""
    """The absolute URL that a redirect leads to."""
    headers: tuple[tuple[str, str], ...] = ()
    """Those of its fields that say something about an image; names in lower case."""
    has_body: bool = True
    """False where the archive has the head of the response alone."""

    @property
    def media_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.content_type.partition(";")[0].strip().lower()


KEPT = frozenset(
    {
        *("content-type", "last-modified", "etag", "date", "cache-control", "expires"),
        *("x-robots-tag", "tdm-reservation"),
    }
)
"""The fields of a response that are kept with its image."""


def images_of(records: Iterable[Record], document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    """Yield the images of the pages in an archive, then those that it holds beside them.

    Pages are decoded one by one, images when they are kept.
    """
    bodies, pages = Bodies(), list[Record]()
    images: list[Record] = []
    sources: dict[str, list[str]] = {}
    """The URLs that are redirected to a URL."""
    for record in records:
        if record.location:
            sources.setdefault(record.location, []).append(record.url)
        elif not _is_a_success(record):
            continue
        elif record.media_type in _DOCUMENTS and record.has_body:
            pages.append(record)
        elif record.media_type.startswith("image/") or _is_image(record):
            images.append(record)
    for record in sorted(images, key=lambda each: not each.has_body):
        names = _redirected_to(record.url, sources)
        if not record.has_body:
            bodies.add_url(record.url, *names)
            continue
        body = EmbeddedBody(record.url, record.read, record.media_type, record.date, record.headers)
        bodies.add(body, *names)
    left_out: list[str] = []
    for page in pages:
        data = page.read(MAX_TEXT)
        if isinstance(data, Defect):
            left_out.append(f"{page.url[:200]}: {data.message}")
            continue
        depth = document.depth + 1
        inside = Document(data[:MAX_TEXT], page.content_type, page.url, page.url, depth=depth)
        found = bodies.attach(each_image(inside), page=page.url, date=page.date)
        if page.media_type == "text/css":
            found = (image for image in found if image.embedded)
        yield from found
    yield from bodies.rest()
    if left_out:
        which = (
            "a page of the archive is"
            if len(left_out) == 1
            else f"{len(left_out):,} pages of the archive are"
        )
        yield unread(f"{which} left out: {left_out[0]}")


def seconds_of(date: str) -> float | None:
    """Return an ISO 8601 date and time in seconds since 1970; None for any other text."""
    try:
        found = datetime.fromisoformat(date.strip()[:40])
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _is_a_success(record: Record) -> bool:
    return 200 <= record.status < 300 or record.status == _NOT_MODIFIED


def _is_image(record: Record) -> bool:
    """Return True for an image that is sent without a type, or with one that says nothing."""
    if record.media_type not in _NO_TYPES or not record.has_body:
        return False
    head = record.read(_HEAD)
    return not isinstance(head, Defect) and sniff(head[:_HEAD]) is not None


def _redirected_to(url: str, sources: dict[str, list[str]]) -> list[str]:
    """Return the URLs from which redirects lead to `url`."""
    found: list[str] = []
    last = [url]
    for _ in range(MAX_REDIRECTS):
        last = [source for target in last for source in sources.get(target, ()) if source not in found]
        found += dict.fromkeys(last[:_MOST_SOURCES])
    return found


_NOT_MODIFIED = 304
"""Browsers record the body that they had stored."""

_DOCUMENTS = frozenset({"text/html", "application/xhtml+xml", "text/css"})
_NO_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream", "x-unknown", "text/plain"})
_HEAD = 64
_MOST_SOURCES = 100
