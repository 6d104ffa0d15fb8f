"""Follow the links of a document to the documents that it loads: style sheets, manifests, sitemaps.

    Page ─▶ linked_documents ─▶ fetched as pages are, each once a run ─▶ their own links ─▶ Documents

They are not stored. Robots, limits and credentials are those of any request of the engine.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.engine.events import LinkedUnread
from imgfetch.model.document import Document, DocumentType
from imgfetch.model.markup import SourceKind
from imgfetch.model.result import Failure
from imgfetch.readers.linked import counted, linked_documents
from imgfetch.rules.image.kinds import kinds_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from imgfetch.engine.events import Event
    from imgfetch.model.request import SourceOrigin
    from imgfetch.model.result import Page

MOST_LINKED = 100
"""Documents that are followed from one; a page has about ten style sheets."""
MOST_LEVELS = 5
"""Levels of imports that are followed."""
MOST_BYTES = 64_000_000
"""Bytes of all documents that are followed from one."""
_REMEMBERED = 256
"""Documents that are kept for the other pages of a run, and the bytes of the largest of them."""
_MOST_REMEMBERED_BYTES = 500_000


class Followed(NamedTuple):
    """What a document loads."""

    documents: tuple[Document, ...] = ()
    """In the order in which they are linked, level by level."""
    unread: Mapping[str, int] = {}
    """The numbers of documents that were not read, by what they are: `style sheets`."""


def types_wanted(kinds: str | Collection[str]) -> frozenset[DocumentType]:
    """Return the types of the linked documents that may name an image of the wanted kinds."""
    wanted = kinds_of(kinds)
    taken = wanted.every | wanted.content
    types = {DocumentType.SITEMAP}
    if SourceKind.CSS in taken:
        types.add(DocumentType.CSS)
    if SourceKind.ICON in taken:
        types.add(DocumentType.WEB_MANIFEST)
    return frozenset(types)


def unread_of(document: Document, wanted: Collection[DocumentType]) -> Mapping[str, int]:
    """Return the numbers of the linked documents of a document, by what they are, where none is followed."""
    return counted([each.type for each in linked_documents(document) if each.type in wanted])


def tell_unread(
    document: Document, name: str, kinds: str | Collection[str], observe: Callable[[Event], None]
) -> None:
    """Tell which documents a document from a file or a text loads: none of them is followed.

    Of a page, its head is looked at: a parse of all of it takes half as long as finding its images.
    """
    unread = unread_of(_head_of(document), types_wanted(kinds))
    if unread:
        observe(LinkedUnread(name, unread))


def _head_of(document: Document) -> Document:
    data = document.data
    body = re.search(_BODY, data) if isinstance(data, str) else re.search(_BODY.encode(), data)
    return document._replace(data=data[: body.start()]) if body else document


_BODY = r"(?i)<body[\s>]"


def document_of(page: Page) -> Document:
    """Return a page, or another document that came for a URL, for the readers."""
    url, said = page.head.url, page.head.fields.get("link")
    content_type = page.head.fields.get("content-type") or ""
    return Document(page.data, content_type, name=url, base_url=url, link_headers=(said,) if said else ())


class Follower:
    """Fetches linked documents, each once a run."""

    def __init__(self, fetch_page: Callable[[str, SourceOrigin], Awaitable[Page | Failure]]) -> None:
        self._fetch_page = fetch_page
        self._asked: OrderedDict[tuple[str, SourceOrigin], asyncio.Task[Page | Failure]] = OrderedDict()

    async def follow(
        self, document: Document, source_origin: SourceOrigin, wanted: Collection[DocumentType]
    ) -> Followed:
        """Return the documents of the `wanted` types that a document loads, and those they load."""
        import asyncio  # a warm run follows nothing

        found: list[Document] = []
        unread: list[DocumentType] = []
        seen = {document.base_url}
        size, level = 0, [document]
        for _ in range(MOST_LEVELS):
            links = [
                each
                for outer in level
                for each in linked_documents(outer)
                if each.type in wanted and each.url.startswith(("https:", "http:"))
            ]
            links = [each for each in dict.fromkeys(links) if each.url not in seen]
            room = MOST_LINKED - len(found)
            unread += [each.type for each in links[room:]]
            seen.update(each.url for each in links)
            pages = await asyncio.gather(*(self._ask(each.url, source_origin) for each in links[:room]))
            level = []
            for link, page in zip(links, pages, strict=False):
                if isinstance(page, Failure) or size + len(page.data) > MOST_BYTES:
                    unread.append(link.type)
                    continue
                size += len(page.data)
                level.append(_document_of(page, link.type))
            found += level
            if not level:
                break
        return Followed(tuple(found), counted(unread))

    async def _ask(self, url: str, source_origin: SourceOrigin) -> Page | Failure:
        """Return the document at a URL; pages of a run share it."""
        import asyncio

        key = url, source_origin
        task = self._asked.get(key)
        if task is None or (task.done() and task.cancelled()):
            task = self._asked[key] = asyncio.ensure_future(self._fetch_page(url, source_origin))
            if len(self._asked) > _REMEMBERED:
                self._asked.popitem(last=False)
        page = await asyncio.shield(task)
        if not isinstance(page, Failure) and len(page.data) > _MOST_REMEMBERED_BYTES:
            self._asked.pop(key, None)
        return page


def _document_of(page: Page, linked_as: DocumentType) -> Document:
    """Return a fetched document; its link says what it is where its Content-Type does not (HTML §4.6.7)."""
    document = document_of(page)
    if linked_as is DocumentType.WEB_MANIFEST:
        return document._replace(content_type="application/manifest+json")
    if linked_as is DocumentType.CSS and not page.data.lstrip().startswith(b"<"):
        # Many servers label style sheets wrongly; a page that came in place of one is none.
        return document._replace(content_type=f"text/css;{document.content_type.partition(';')[2]}")
    return document
