"""Mails and pages saved as MHTML: the images that their texts name, and those that they carry.

    mail ─▶ its parts, at any depth ─┬▶ text/html, text/css, text/plain ─▶ images, with the bodies of parts
                                     ├▶ image/* ─▶ a body; an image of its own, if no text names it
                                     └▶ message/rfc822 ─▶ a mail of its own

Relative URLs are resolved as RFC 2557 §5 has it, `cid:` URLs lead to parts (RFC 2392). Each mail is read for
itself: a `cid:` URL means nothing outside it.
"""

from __future__ import annotations

import re
from itertools import count, islice
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from imgfetch.formats import sniff
from imgfetch.markup.plain_text import find_source_sets
from imgfetch.markup.urls import resolve
from imgfetch.model.document import Document
from imgfetch.model.markup import EmbeddedBody
from imgfetch.readers.containers.bodies import Bodies
from imgfetch.readers.containers.byte_files import bytes_of
from imgfetch.readers.containers.mime import messages_of, parts_of, read_part
from imgfetch.readers.decoded import located, unread
from imgfetch.readers.document_type import recognise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.document import EachImage
    from imgfetch.model.markup import SourceSet
    from imgfetch.readers.containers.mime import Part

MAX_DEPTH = 32
"""Parts inside one another: usual mails have 3, one that was forwarded ten times has 20."""

MAX_PARTS = 20_000
"""Parts of one mail and of all mails in it: each takes 1 KB of memory."""


def images(document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    """Yield the images of a mail, of a page saved as MHTML, or of all mails in an mbox.

    Never raise; take linear time. Parts that lie too deep are left out, with one problem.
    """
    data = bytes_of(document)
    told: set[str] = set()
    for message in messages_of(data):
        base_url = message.url("snapshot-content-location") or document.base_url
        bounds = _Bounds()
        yield from _Mail(document, each_image, bounds, level=0).images(message, base_url)
        for reason in bounds.left_out:
            if reason not in told:
                yield unread(f"parts of the mail are left out: {reason}")
        told.update(bounds.left_out)


class _Bounds:
    """The number of parts of a mail so far, and why others are left out."""

    def __init__(self) -> None:
        self.left_out: dict[str, None] = {}
        self._count = 0

    def admit(self, level: int) -> bool:
        """Count a part with so many parts around it; return False where it is to be left out."""
        self._count += 1
        if level > MAX_DEPTH:
            self.left_out[f"more than {MAX_DEPTH} lie inside one another"] = None
        elif self._count > MAX_PARTS:
            self.left_out[f"there are more than {MAX_PARTS:,}"] = None
        else:
            return True
        return False

    @property
    def is_full(self) -> bool:
        """True if no further part is admitted."""
        return self._count > MAX_PARTS


class _Text(NamedTuple):
    """A part to be read."""

    part: Part
    base_url: str
    level: int


class _Mail:
    """One mail: its texts, the images among its parts, and the URLs named so far."""

    def __init__(self, document: Document, each_image: EachImage, bounds: _Bounds, *, level: int) -> None:
        """`level` is the number of parts around the mail; `bounds` counts all parts."""
        self._document = document
        self._each_image = each_image
        self._bounds = bounds
        self._level = level
        self._texts: list[_Text] = []
        self._bodies = Bodies()
        self._numbers = count(1)
        self._urls: set[str] = set()

    def images(self, message: Part, base_url: str) -> Iterator[SourceSet]:
        """Yield the images of the mail."""
        self._sort(message, base_url, self._level)
        for part, base, level in self._texts:
            if part.media_type.startswith("message/") and part.is_plain:
                inner = read_part(part.mail, part.start, part.end)
                mail = _Mail(self._document, self._each_image, self._bounds, level=level + 1)
                yield from mail.images(inner, base)
                continue
            page = base if base[:4].lower() == "http" else base_url  # a style sheet may be at a `cid:` URL
            for image in self._bodies.attach(self._named_in(part, base), page=page):
                if part.media_type == "text/css" and not image.embedded:
                    continue  # a browser saves what it has shown
                urls = {candidate.url for candidate in image.candidates}
                if part.media_type == "text/plain" and urls and urls <= self._urls:
                    continue  # the same in another form
                self._urls |= urls
                yield image
        yield from self._bodies.rest()

    def _sort(self, part: Part, base_url: str, level: int) -> None:
        """Find the texts and the images among a part and all parts inside it."""
        base = _base_of(part, base_url)
        kind = part.media_type.partition("/")[0]
        if not self._bounds.admit(level):
            return
        if kind == "multipart":
            inside: Iterator[Part] = islice(parts_of(part), MAX_PARTS + 1)
            if (
                part.media_type == "multipart/alternative"
            ):  # one text in several forms: the plain one comes last
                inside = iter(sorted(inside, key=lambda each: each.media_type == "text/plain"))
            for each in inside:
                self._sort(each, base, level + 1)
                if self._bounds.is_full:
                    return
        elif kind == "image" or (kind not in ("text", "message") and _is_image(part)):
            self._add(part, base)
        elif kind in ("text", "message", "application"):
            self._texts.append(_Text(part, base, level))

    def _add(self, part: Part, base: str) -> None:
        """Add an image under the URLs that a text may name it by, and under one of its own."""
        content_id, location = part.url("content-id"), part.url("content-location")
        names = [f"cid:{content_id}"] if content_id else []
        if location:
            names.append(base if _is_absolute(base) else location)
        elif part.file_name and not _is_absolute(base):  # some mailers write `src="image001.png"`
            names.append(part.file_name)
        own = f"mail:///{quote(part.file_name or f'part-{next(self._numbers)}')}"
        own = next((name for name in names if name[:4].lower() == "http"), own)
        body = EmbeddedBody(own, part.decoded, part.media_type)
        self._bodies.add(body, *names)

    def _named_in(self, part: Part, base: str) -> Iterator[SourceSet]:
        """Yield the images that a text names."""
        if part.media_type == "text/plain":
            text = _unfolded(part)
            return located(find_source_sets(text, base_url=base), text)
        depth = self._document.depth + 1
        field = part.field("content-type")
        head = Document(part.decoded(_HEAD), field, name=part.file_name)
        if recognise(head).type is None:  # a PDF document, an archive: it need not be decoded
            return iter(())
        return self._each_image(head._replace(data=part.decoded(), base_url=base, depth=depth))


def _base_of(part: Part, base_url: str) -> str:
    """Return the URL that relative URLs in a part are resolved against (RFC 2557 §5)."""
    url = part.url("content-base") or part.url("content-location")
    return (resolve(url, base_url) or base_url) if url else base_url


def _is_absolute(url: str) -> bool:
    return ":" in url


def _is_image(part: Part) -> bool:
    return sniff(part.decoded(_HEAD)[:_HEAD]) is not None


def _unfolded(part: Part) -> str:
    """Return a plain text without the line breaks that `format=flowed` puts between words (RFC 3676 §4)."""
    text = part.text()
    if str(part.fields.get_param("format", "")).lower() != "flowed":
        return text
    deletes_space = str(part.fields.get_param("delsp", "")).lower() == "yes"
    return re.sub(r"(?<!^--) \r?\n(?!>)", "" if deletes_space else " ", text, flags=re.MULTILINE)


_HEAD = 4096
"""Bytes by which a part is recognised."""
