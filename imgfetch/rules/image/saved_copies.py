"""Tell the copies that a browser saved beside a page from the images of the web.

page.html, SourceSet ─▶ the source set without candidates such as `page_files/a.jpg`

A name in a page opens no file, so that such a copy is not read; nor is it at that URL of the web.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from imgfetch.model.markup import Candidate, SourceSet


def is_folder_of(name: str, stem: str) -> bool:
    """Return whether a folder is the one that a browser saves beside the page `<stem>.html`."""
    return name.startswith(stem) and name[len(stem) :] in SUFFIXES


def without_copies(image: SourceSet, stem: str) -> SourceSet:
    """Return the image without the candidates in the folder that was saved beside its page."""
    sources = tuple(
        source._replace(candidates=_elsewhere(source.candidates, stem)) for source in image.sources
    )
    return image._replace(
        candidates=_elsewhere(image.candidates, stem),
        sources=tuple(source for source in sources if source.candidates),
    )


def has_copies(image: SourceSet, stem: str) -> bool:
    """Return whether a candidate of the image is a copy that was saved beside its page."""
    lists = (image.candidates, *(source.candidates for source in image.sources))
    return any(_is_copy(candidate.url, stem) for candidates in lists for candidate in candidates)


def _elsewhere(candidates: tuple[Candidate, ...], stem: str) -> tuple[Candidate, ...]:
    return tuple(candidate for candidate in candidates if not _is_copy(candidate.url, stem))


def _is_copy(url: str, stem: str) -> bool:
    path = url.partition("?")[0]
    if "%" in path:
        path = unquote(path)
    return stem in path and any(is_folder_of(folder, stem) for folder in path.split("/")[:-1])


SUFFIXES = (
    *("_files", ".files", "-Dateien", "_fichiers", "_archivos", "_bestanden", "_file", "-filer", "_pliki"),
    *("_tiedostot", "_soubory", "_elemei", "_ficheiros", "_arquivos", "_dosyalar", "_datoteke", "_fitxers"),
    *("_failid", "_fails", "_bylos", "_fajlovi", "_fitxategiak"),
)
"""The ends of the names of such folders, in the languages of browsers, as Windows connects them to a page."""
