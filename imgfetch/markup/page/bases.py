"""The base URLs of a page: that of its document, and that of its `<base>` for what is resolved behind it.

URL of the document, <base href> ─▶ Bases ─▶ the base URL of each image, by its position
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup import urls
from imgfetch.markup.page import html
from imgfetch.markup.page.places import at_start_of
from imgfetch.markup.srcset import excerpt
from imgfetch.model.markup import Problem, SourceKind

if TYPE_CHECKING:
    import turbohtml

    from imgfetch.markup.page.noscript import Found
    from imgfetch.markup.positions import Lines


class Bases(NamedTuple):
    """The base URLs of a page."""

    document: str
    """The URL of the document."""
    page: str
    """The base URL that the `<base>` sets."""
    position: int = 0
    """The offset of the `<base>`; 0 where nothing is before it."""

    def of(self, found: Found) -> str:
        """Return the base URL of an image.

        A browser resolves what it requests at once against the URL of the document until it reads the
        `<base>`. It resolves a lazy image later (as measured in Chromium).
        """
        element, image = found.element, found.source_set
        if image.position >= self.position or element is None:
            return self.page
        tag = element.tag
        is_at_once = tag in _TAGS_AT_ONCE if image.kind is SourceKind.IMG else image.kind in _AT_ONCE
        is_later = tag == "iframe" or (element.attr("loading") or "").lower() == "lazy"
        return self.document if is_at_once and not is_later else self.page


_TAGS_AT_ONCE = ("img", "input")
"""Tags of images: a `background` attribute is resolved when it is drawn."""
_AT_ONCE = frozenset(
    (SourceKind.PICTURE, SourceKind.POSTER, SourceKind.SVG, SourceKind.PRELOAD, SourceKind.CSS)
)


def bases_of(document: turbohtml.Document, base_url: str, lines: Lines, problems: list[Problem]) -> Bases:
    """Return the base URLs of a document at `base_url`; append the problem of a `<base>` that sets none."""
    element = html.base_element(document)
    if element is None:
        return Bases(base_url, base_url)
    href = element.attr("href") or ""
    base = urls.base_url(href, base_url) or base_url
    reason = "not a URL that a page may have as its base (in base href)"
    problem = at_start_of(element, Problem(0, excerpt(href), reason), lines)
    if base == base_url and urls.resolve(href, base_url) != base_url:
        problems.append(problem)
    return Bases(base_url, base, problem.position)
