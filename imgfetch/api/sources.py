"""Sources: a URL, a text, a file with a text, or a source set.

"https://…/a.webp"         ─▶ a source set of one candidate
"a.webp 480w, …"           ─▶ what the text offers
Path("news.txt"), a stream ─▶ what the file's text offers

A `str` never opens a file, since it may come from a stranger.
"""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from imgfetch.api.images import each_image
from imgfetch.api.normalize import all_spelled, is_one_url, spelled
from imgfetch.errors import InputError, one_line, printable
from imgfetch.model.image import Defect
from imgfetch.model.markup import Candidate, SourceKind, SourceSet
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from mmap import mmap
    from typing import BinaryIO, TextIO

    from imgfetch.model.document import Document, DocumentType, Recognised

T = TypeVar("T")


class Files(NamedTuple):
    """Files of which the documents are wanted: those of a folder, or those that a pattern names."""

    name: str
    """The folder or the pattern."""
    paths: Sequence[Path]
    """Files, and folders in a folder."""
    inside: Path | None = None
    """The folder, resolved; None for a pattern."""


Source: TypeAlias = "str | Path | SourceSet | BinaryIO | TextIO | Files"


MAX_TEXT = 64_000_000
"""Bytes of text from which on an input is refused: pages are smaller, wrong files often are not."""


_BEGINNING = 64 * 1024
"""Bytes of a mapped archive that tell what it is."""


def batched(things: Iterable[T], most: int) -> Iterator[Sequence[T]]:
    """Yield so many at a time. Where drawing one raises, yield those before it first."""
    some: list[T] = []
    try:
        for thing in things:
            some.append(thing)
            if len(some) == most:
                yield some
                some = []
    except Exception:
        if some:
            yield some
        raise
    if some:
        yield some


class Offer(NamedTuple):
    """What a source offers."""

    images: Iterator[SourceSet]
    """All its images: at least one."""
    document: Document | None = None
    """The document that names them; None where the caller named the image itself."""
    type: DocumentType | None = None
    """The type of the document."""
    what: str = ""
    """The same for people, with what it was recognised by, and where its base URL stood."""

    @property
    def may_load_others(self) -> bool:
        """True for a document that may load others, as a page does; a plain text does not."""
        return self.type != "text"  # compared by value: a URL as the source loads no types


def read_source(source: Source, *, base_url: str = "") -> Offer:
    """Return every image that a source offers.

    Raises `InputError` where it cannot be read (`bad_input`), is not a URL (`bad_url`), or offers no image
    (`no_image`).
    """
    if isinstance(source, SourceSet):
        return Offer(iter((all_spelled(source),)))
    if isinstance(source, Path):
        return read_file(source, base_url=base_url)
    if isinstance(source, Files):
        raise InputError(ErrorKind.BAD_INPUT, "several files, where one document was expected", source.name)
    if not isinstance(source, str):
        if not hasattr(source, "read"):
            raise InputError(
                ErrorKind.BAD_INPUT, "no str, Path, SourceSet or open file", f"a {type(source).__name__}"
            )
        return read_stream(source, name=label(source), base_url=base_url)
    text = source.strip()
    if not text:
        raise InputError(ErrorKind.BAD_INPUT, "an empty text; a URL, a file or a srcset was expected")
    if _WORD.fullmatch(text) or is_one_url(text):
        return Offer(_read_url(text, base_url=base_url))
    return read_text(source, name=label(source), base_url=base_url)


def read_file(path: Path, *, base_url: str = "") -> Offer:
    """Return every image that the text in a file offers. Raises `InputError`."""
    name = printable(str(path))
    try:
        if path.is_dir():
            raise InputError(ErrorKind.BAD_INPUT, "a folder, where one document was expected", name)
        with path.open("rb") as file:
            return read_stream(file, name=name, base_url=base_url)
    except FileNotFoundError as error:
        raise InputError(ErrorKind.BAD_INPUT, NO_FILE, name) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(ErrorKind.BAD_INPUT, f"cannot be read: {why}", name) from error


def read_stream(stream: BinaryIO | TextIO, *, name: str, base_url: str = "") -> Offer:
    """Return every image that the text in an open file offers. Raises `InputError`."""
    data = stream.read(MAX_TEXT)
    mapped = None
    if len(data) == MAX_TEXT:
        mapped = _mapped(stream, data, name)
        if mapped is None:
            raise InputError(ErrorKind.BAD_INPUT, f"larger than {MAX_TEXT // 1_000_000} MB; split it", name)
        data = data[:_BEGINNING]
    if not data.strip():
        raise InputError(ErrorKind.BAD_INPUT, "empty; a text with image URLs was expected", name)
    return _read_document(data, name=name, base_url=base_url, mapped=mapped)


def _mapped(stream: BinaryIO | TextIO, beginning: bytes | str, name: str) -> mmap | None:
    """Map a large file that is read part by part: a mail, a book, a web archive. None for any other."""
    from imgfetch.model.document import Document, DocumentType
    from imgfetch.readers.document_type import recognise
    from imgfetch.system.mapped_files import mapped

    if isinstance(beginning, str):
        return None
    found = recognise(Document(beginning[:_BEGINNING], name=name)).type
    by_parts = (DocumentType.WARC, DocumentType.EPUB, DocumentType.MAIL, DocumentType.MHTML)
    return mapped(stream, len(beginning)) if found in by_parts else None


def read_text(text: str, *, name: str, base_url: str = "") -> Offer:
    """Return every image that a text offers. Raises `InputError`, naming the text `name`."""
    return _read_document(text, name=name, base_url=base_url, is_file=False)


def _read_document(
    data: bytes | str, *, name: str, base_url: str, is_file: bool = True, mapped: mmap | None = None
) -> Offer:
    from imgfetch.model.document import Document, DocumentType  # a URL as the source needs none
    from imgfetch.readers.document_type import recognise

    document = Document(data, name=name if is_file else "", base_url=base_url, mapped=mapped)
    recognised = recognise(document)
    if recognised.type is None:
        why = f"{recognised.why}; a page, a feed or another document with images was expected"
        raise InputError(ErrorKind.BAD_INPUT, why, name)
    what = f"{recognised.type}, {recognised.why}"
    if not base_url and recognised.type in (DocumentType.HTML, DocumentType.XHTML):
        document, where = _at_its_own_address(document)
        what += where
    found = each_image(document)
    first = next(found, None)
    if first is None:
        why, hint = without_image(document, recognised)
        if hint is not None:
            why = f"{why}, and not a text"
        elif recognised.type is DocumentType.TEXT:
            lines = "“https://host/a-480.webp 480w, https://host/a-960.webp 960w”"
            why = f"{why}; expected a page, or lines such as {lines}"
        elif recognised.type is DocumentType.SITEMAP:
            why += _unread(document)
        raise InputError(ErrorKind.NO_IMAGE, why, name, hint=hint)
    return Offer(chain((first,), found), document, recognised.type, what)


def without_image(document: Document, recognised: Recognised) -> tuple[str, str | None]:
    """Return what a document without an image is, in words, and the hint how to read it as something else."""
    from imgfetch.model.document import DocumentType
    from imgfetch.readers.document_type import is_table

    if document.name and is_table(document):
        return "a table", CELLS_ARE_SOURCES
    if document.name and _is_list_of_urls(document.data):
        return "a list of URLs", LINES_ARE_SOURCES
    if recognised.type in (DocumentType.HTML, DocumentType.XHTML):
        return "a page without an image", None
    if recognised.type is DocumentType.TEXT:
        return "no image in the text", None
    return f"no image in it ({recognised.type}, {recognised.why})", None


def _unread(document: Document) -> str:
    """Return the words about the sitemaps that an index in a file names; empty where it names none."""
    from imgfetch.readers.linked import counted, in_words, linked_documents

    links = linked_documents(document)
    if not links:
        return ""
    said = in_words(counted(each.type for each in links))
    return f"; {said} in it not read: give {urls.redact(links[0].url)}, or the index by its URL"


def _at_its_own_address(document: Document) -> tuple[Document, str]:
    """Return a page with the base URL that it tells itself, and in words where it stood."""
    from imgfetch.readers.base_url import LOOKED_AT, base_url_of

    head = document.data[:LOOKED_AT]
    found = base_url_of(head if isinstance(head, str) else head.decode("utf-8", "replace"))
    if found is None:
        return document, ""
    url, where = found
    return document._replace(base_url=spelled(url)), f"; {where}, {urls.redact(url)}"


def _is_list_of_urls(data: bytes | str) -> bool:
    """Return whether each line of a text is a URL or a comment, and at least one is a URL."""
    from imgfetch.readers.lines import bare_line

    text = data if isinstance(data, str) else data.decode("utf-8-sig", "replace")
    is_list = False
    for line in filter(None, map(bare_line, text.splitlines())):
        is_list = True
        if not is_one_url(line):
            return False
    return is_list


def label(source: Source) -> str:
    """Return a source for a line about it: shortened, and without credentials."""
    if isinstance(source, SourceSet):
        return urls.redact(source.candidates[0].url) if source.candidates else "a source set"
    text = str(source if isinstance(source, str | Path) else getattr(source, "name", "a stream")).strip()
    if is_one_url(text):
        return urls.redact(spelled(text))
    return one_line("", text, limit=60)


def name_of(source: Source) -> str:
    """Return a source as it can be given again, secrets and all; of a long text its beginning and a digest.

    The digest is of the text without credentials: it may be written down.
    """
    if isinstance(source, SourceSet):
        text = ", ".join(_written(candidate) for candidate in source.candidates)
    else:
        text = str(source if isinstance(source, str | Path) else getattr(source, "name", "a stream")).strip()
    if len(text) <= _LONGEST_NAME or (text[:5].lower() != "data:" and is_one_url(text)):
        return text
    import hashlib

    text = urls.source_without_userinfo(text)
    return f"{text[:100]}… sha256:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def _written(candidate: Candidate) -> str:
    if candidate.width is not None:
        return f"{candidate.url} {candidate.width}w"
    return candidate.url if candidate.density is None else f"{candidate.url} {candidate.density:g}x"


_LONGEST_NAME = 300
"""Characters; a shortened name is within it, and so its own name."""


_WORD = re.compile(r"\S+")


def _read_url(text: str, *, base_url: str) -> Iterator[SourceSet]:
    """Return the source set of a URL. Raises `InputError` where a text is not one."""
    url = spelled(text)
    if base_url:
        from imgfetch.markup.urls import resolve

        url = resolve(text, base_url) or url
    elif url.startswith("//"):  # relative to a scheme alone (URL §4.3): the usual one
        url = spelled(f"https:{url}")
    if url[:5].lower() == "data:":
        return iter((SourceSet((Candidate(url),), kind=SourceKind.URL),))
    address = urls.read(url)
    if isinstance(address, Defect):
        hint = None if is_one_url(text) else FILES_ARE_PATHS
        raise InputError(address.kind, address.message, label(text), hint=hint)
    return iter((SourceSet((Candidate(url),), kind=SourceKind.URL),))


NO_FILE = "no such file"

EVERY_KIND = "kinds='all' takes every image"
"""The hint where all images of a document are left out."""

LINES_ARE_SOURCES = "each line is a source of its own; give them one by one"
"""The hint where a file is a list of URLs, and was given as a text."""

CELLS_ARE_SOURCES = "each cell with an image is a source of its own; give them one by one"
"""The hint where a file is a table, and was given as a text or a list."""

FILES_ARE_PATHS = "a file is given as a pathlib.Path"
"""The hint where a `str` is not a URL, and may have been meant as the name of a file."""
