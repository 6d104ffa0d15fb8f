"""Makes sources, choices and header fields from the options of a command."""

from __future__ import annotations

import sys
import zlib
from itertools import chain
from os.path import exists, isfile
from pathlib import Path
from typing import TYPE_CHECKING

from imgfetch.api.normalize import is_one_url
from imgfetch.api.sources import batched
from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from imgfetch.api.selection.choosing import Choosing
    from imgfetch.api.sources import Source
    from imgfetch.readers.rows.row import Row


def batches_of(options: argparse.Namespace) -> Iterator[Sequence[Source | InputError]]:
    """Yield the sources in batches, or the error of a line that cannot be read. Raises `InputError`.

    The lines of a file are batched. Those of a pipe come one by one: the program that writes them may wait
    for a result.
    """
    if not options.sources and options.input_file is None:
        raise InputError(ErrorKind.BAD_INPUT, f"no SOURCE was given; see imgfetch {options.command} --help")
    for source in options.sources:
        yield (_standard_input(),) if source == "-" else _sources_of(source, options.base)
    if options.input_file is not None:
        name: str = options.input_file
        lines: Iterator[Source | InputError]
        if options.files:
            lines = (
                source_of(line, options.base) if isinstance(line, str) else line for line in _lines(name)
            )
        else:
            lines = _images_of_lines(name)
        yield from batched(lines, batch_size_of(name))


def _sources_of(text: str, base: str) -> tuple[Source, ...]:
    """Return the source that an argument is, or those of a list without descriptors, as of a line."""
    source = source_of(text, base)
    if not isinstance(source, str) or "\n" in source or not any(sign in source for sign in ",;| "):
        return (source,)
    from imgfetch.readers.rows.cells import images_of

    return tuple(source_of(each, base) for each in images_of(source)) or (source,)


def source_of(text: str, base: str) -> Source:
    """Return a path if `text` names a file or a folder, the files of a pattern, else the text itself.

    A text with `://` is never a file. A word that would be a URL only with a scheme or a base is the name of
    a file that is missing.
    """
    if "://" in text or "\n" in text or len(text) > _LONGEST_PATH:
        return text
    if "*" in text and not exists(text):  # noqa: PTH110 (a Path is slower)
        from imgfetch.api.selection.folders import files_of

        found = files_of(text)
        if found is not None:
            return found
    word = text.strip()
    is_missing = word and not (base or is_one_url(word) or len(word.split()) > 1)
    return Path(text) if is_missing or exists(text) else text  # noqa: PTH110 (a Path is slower)


_LONGEST_PATH = 4096
"""Characters of a path (PATH_MAX)."""


def sources_of(options: argparse.Namespace) -> Iterator[Source | InputError]:
    """Yield the sources one by one. Raises `InputError`."""
    return chain.from_iterable(batches_of(options))


def batch_size_of(name: str) -> int:
    """Return how many lines of an input are looked up together: only those of a file are at hand."""
    return _BATCH if name != "-" and isfile(name) else 1  # noqa: PTH113 (pathlib is slow)


_BATCH = 64

BATCH_READS_TABLES = "imgfetch batch FILE --to DIR reads tables"
"""The hint where a table is given as a text or as a list."""


class Rows:
    """The rows of an input that name images, or cannot be read; and what the others are."""

    def __init__(self, options: argparse.Namespace) -> None:
        """`options` must have those of the group ROWS, `input` and `base`."""
        self._options = options
        self._without_image = 0
        self._other_columns: tuple[str, ...] | None = None
        """Columns with images that are not taken, by the first row with images."""

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        """Yield each row with its position in the input, as they are needed. Raises `InputError`."""
        from imgfetch.readers.rows.row import other_columns

        found = False
        header: tuple[str, ...] = ()
        for index, row in enumerate(_rows_of(self._options)):
            header = header or tuple(row.columns)
            if not row.images and row.error is None:
                self._without_image += 1
                continue
            if row.images and self._other_columns is None:
                self._other_columns = () if self._options.column else other_columns(row)
            found = True
            yield index, row
        if not found:
            raise self._no_image(header)

    def left_out(self) -> Iterator[str]:
        """Yield a line for each thing that was left out of the input."""
        if count := self._without_image:
            yield f"{count:,} {'row' if count == 1 else 'rows'} without an image"
        if self._other_columns:
            names = ", ".join(self._other_columns)
            yield f"images under {names} were not taken; --column names the columns to take, or several"

    def _no_image(self, header: tuple[str, ...]) -> InputError:
        from imgfetch.readers.rows.columns import Wanted, no_column, source_columns

        name: str = self._options.input
        if not self._without_image:
            return InputError(ErrorKind.BAD_INPUT, "empty; expected a source a row", name)
        if source_columns(header, Wanted(tuple(self._options.column))).groups:
            why = f"none of its {self._without_image:,} rows has an image"
            return InputError(ErrorKind.BAD_INPUT, why, name, hint="name another column with --column")
        error = no_column(header, ", ".join(self._options.column) or None)
        return InputError(error.kind, error.message, name, hint=error.hint)


def _rows_of(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows of an input as they are needed. Raises `InputError`."""
    from imgfetch.readers.input_rows import form_of, rows

    name: str = options.input
    try:
        with _opened(name) as file:
            form = options.input_format or form_of(name)
            yield from rows(file, form, columns=options.column, absolute=not options.base)
    except InputError as error:
        raise InputError(error.kind, error.message, name, hint=error.hint) from error
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(error, name) from error


def _unreadable(error: Exception, name: str) -> InputError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(ErrorKind.BAD_INPUT, f"cannot be read: {why}", name)


def _opened(name: str) -> BinaryIO:
    if name == "-":
        return _standard_input()
    if not name.endswith(".gz"):
        return open(name, "rb", 65_536)  # noqa: PTH123 (as below)
    import gzip

    return gzip.open(name, "rb")  # type: ignore[return-value] # it is read like a file


def choosing_of(options: argparse.Namespace) -> Choosing:
    """Return the keywords of a choice."""
    return {
        "width": options.width,
        "viewport": options.viewport,
        "policy": options.policy,
        "formats": options.formats,
        "kinds": options.kinds,
        "include": options.include,
        "exclude": options.exclude,
        "min_width": options.min_width,
        "min_height": options.min_height,
        "min_bytes": options.min_bytes,
        "require_width": options.require_width,
        "base_url": options.base,
        "base_of_folder": options.base_of_folder,
        "every": options.all,
    }


def headers_of(options: argparse.Namespace) -> dict[str, str | dict[str, str]]:
    """Return the header fields of `--header` and `--header-for`, as `Client` takes them."""
    headers: dict[str, str | dict[str, str]] = dict(options.header)
    for origin, name, value in options.header_for:
        of_origin = headers.setdefault(origin, {})
        assert isinstance(of_origin, dict)  # noqa: S101 (an origin is not the name of a header field)
        of_origin[name] = value
    return headers


def netrc_of(options: argparse.Namespace) -> bool | str:
    """Return the netrc of `--netrc` or `--netrc-file`, as `Client` takes it."""
    return options.netrc_file or bool(options.netrc)


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise InputError(ErrorKind.BAD_INPUT, "closed", "standard input")
    return sys.stdin.buffer


def _images_of_lines(name: str) -> Iterator[str | InputError]:
    """Yield the images of each line of a list: one, unless it is a list without descriptors itself."""
    from imgfetch.readers.rows.cells import images_of

    for line in _lines(name):
        if isinstance(line, str):
            yield from images_of(line) or (line,)
        else:
            yield line


def _lines(name: str) -> Iterator[str | InputError]:
    from imgfetch.readers.document_type import TABLES
    from imgfetch.readers.lines import bare_line, too_long  # few runs read a list
    from imgfetch.readers.rows.text_lines import text_lines

    found = False
    try:
        file = _standard_input() if name == "-" else open(name, "rb")  # noqa: SIM115, PTH123 (pathlib is slow)
        with file:
            for number, line in enumerate(text_lines(_text_in(file, name)), 1):
                if line is None:
                    found = True
                    yield too_long(number)
                elif not found and name.lower().endswith(TABLES) and "://" not in line:
                    why = "a table, and not a list"
                    raise InputError(ErrorKind.BAD_INPUT, why, name, hint=BATCH_READS_TABLES)
                elif source := bare_line(line):
                    found = True
                    yield source
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(error, name) from error
    if not found:
        raise InputError(ErrorKind.BAD_INPUT, "empty; expected a source a line", name)


def _text_in(file: BinaryIO, name: str) -> BinaryIO:
    """Return the file, or what is compressed in it. Raise `InputError` for data that is not a list."""
    from imgfetch.readers.rows.text_lines import beginning_of, peekable

    file = peekable(file)
    head = beginning_of(file)
    if head.startswith(b"\x1f\x8b"):
        import gzip

        return peekable(gzip.GzipFile(fileobj=file))  # type: ignore[arg-type] # it is read like a file
    if b"\0" in head:  # most lists are text, and need no further import
        from imgfetch.readers.binary_types import known_name

        if what := known_name(head):
            raise InputError(ErrorKind.BAD_INPUT, f"this is {what}, and not a list", name)
    return file
