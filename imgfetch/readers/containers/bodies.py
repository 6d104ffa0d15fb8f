"""Bodies that a container holds, and the images of its documents that have one of them.

container ─▶ add: each body, with the URLs that name it; add_url: an image without its body
image of a document inside ─▶ attach: the same image with the bodies of its candidates ─▶ rest: the others
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from imgfetch.model.markup import Candidate, SourceKind, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.model.markup import EmbeddedBody


class Bodies:
    """The bodies of one container, the URLs of each, and which of these its documents name."""

    def __init__(self) -> None:
        self._all: list[tuple[SourceSet, tuple[str, ...]]] = []
        self._by_url: dict[str, list[EmbeddedBody]] = {}
        """The bodies of each URL; none where the container only names an image."""
        self._named: set[str] = set()

    def add(self, body: EmbeddedBody, *others: str) -> None:
        """Add a body under its own URL and under others. An archive may have several of one URL."""
        urls = self._add(SourceSet((Candidate(body.url),), SourceKind.FILE, embedded=(body,)), others)
        for url in urls:
            self._by_url[url].append(body)

    def add_url(self, url: str, *others: str) -> None:
        """Add an image that the container names without its body, unless it has it elsewhere."""
        if _identity(url) not in self._by_url:
            self._add(SourceSet((Candidate(url),), SourceKind.FILE), others)

    def attach(
        self, images: Iterable[SourceSet], *, page: str = "", date: float | None = None
    ) -> Iterator[SourceSet]:
        """Yield the images of a document with the bodies of their candidates.

        `page` is the URL of the document. Of several bodies of a URL, the one recorded nearest to `date` is
        taken, else the first.
        """
        for image in images:
            held: dict[str, EmbeddedBody] = {}
            for candidates in (image.candidates, *(source.candidates for source in image.sources)):
                for candidate in candidates:
                    body = self._body_of(candidate.url, date)
                    if body is not None:
                        held[candidate.url] = body._replace(url=candidate.url)
            yield image._replace(embedded=(*image.embedded, *held.values()), page=image.page or page)

    def rest(self) -> Iterator[SourceSet]:
        """Yield each image that no document has named so far."""
        for image, urls in self._all:
            if self._named.isdisjoint(urls):
                yield image

    def _add(self, image: SourceSet, others: Iterable[str]) -> tuple[str, ...]:
        urls = tuple(map(_identity, (image.candidates[0].url, *others)))
        self._all.append((image, urls))
        for url in urls:
            self._by_url.setdefault(url, [])
        return urls

    def _body_of(self, url: str, date: float | None) -> EmbeddedBody | None:
        if url[:5].lower() == "data:":
            return None
        identity = _identity(url)
        bodies = self._by_url.get(identity)
        if bodies is None:
            return None
        self._named.add(identity)
        if not bodies:
            return None
        if date is None or len(bodies) == 1:
            return bodies[0]
        return min(bodies, key=lambda body: abs((body.date or 0.0) - date))


def _identity(url: str) -> str:
    """Return the same text for all spellings of a URL: no fragment, and within a container no escapes."""
    bare = url.partition("#")[0]
    return bare if bare[:4].lower() == "http" else unquote(bare)
