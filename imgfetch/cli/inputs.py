"""From options to sources, and how to choose from them."""

from __future__ import annotations

import sys
import zlib
from itertools import chain
from os.path import exists, isfile
from pathlib import Path
from typing import TYPE_CHECKING

from imgfetch.api.sources import batched, is_url_like
from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from imgfetch.api.jobs import Choosing
    from imgfetch.api.sources import Source


def lots_of(options: argparse.Namespace) -> Iterator[Sequence[Source | InputError]]:
    """What was given to read, drawn as it is needed, or why a line cannot be. Raises `InputError`.

    The lines of a file come many at a time, those of a pipe one by one: whoever writes them may be waiting
    for an answer.
    """
    if not options.sources and options.input_file is None:
        raise InputError(ErrorKind.BAD_INPUT, f"no SOURCE was given; see imgfetch {options.command} --help")
    for source in options.sources:
        yield (_standard_input() if source == "-" else meant(source, options.base),)
    if options.input_file is not None:
        name: str = options.input_file
        lines: Iterator[Source | InputError] = _lines(name)
        if options.files:
            lines = (meant(line, options.base) if isinstance(line, str) else line for line in _lines(name))
        yield from batched(lines, lot_of(name))


def meant(text: str, base: str) -> Source:
    """Return a path where a user who types `text` means a file, and else the text itself.

    What has `://` in it is never a file. One word that exists nowhere, and could only be a URL with a scheme
    or a base, is a file that is missing.
    """
    if "://" in text or "\n" in text or len(text) > _LONGEST_PATH:
        return text
    word = text.strip()
    is_missing = word and not (base or is_url_like(word) or len(word.split()) > 1)
    return Path(text) if is_missing or exists(text) else text  # noqa: PTH110 (a Path costs more than the look)


_LONGEST_PATH = 4096
"""Characters; the system takes no longer path."""


def sources_of(options: argparse.Namespace) -> Iterator[Source | InputError]:
    """The same, one by one. Raises `InputError`."""
    return chain.from_iterable(lots_of(options))


def lot_of(name: str) -> int:
    """How many lines of an input are looked up together: of what is no file, none waits for another."""
    return _LOT if name != "-" and isfile(name) else 1  # noqa: PTH113 (pathlib is slow)


_LOT = 64


def rows_of(options: argparse.Namespace) -> Iterator[str | InputError]:
    """The rows of an input, drawn as they are needed. Raises `InputError`."""
    from imgfetch.readers.input_rows import form_of, rows

    name: str = options.input
    found = False
    try:
        with _opened(name) as file:
            for row in rows(file, options.input_format or form_of(name), column=options.column):
                found = True
                yield row
    except InputError as error:
        raise InputError(error.kind, error.message, name, hint=error.hint) from error
    except (OSError, EOFError, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(ErrorKind.BAD_INPUT, f"cannot be read: {why}", name) from error
    if not found:
        raise InputError(ErrorKind.BAD_INPUT, "empty; a source a row was expected", name)


def _opened(name: str) -> BinaryIO:
    if name == "-":
        return _standard_input()
    if not name.endswith(".gz"):
        return open(name, "rb")  # noqa: PTH123 (as below)
    import gzip

    return gzip.open(name, "rb")  # type: ignore[return-value] # it is read as any other


def choosing_of(options: argparse.Namespace) -> Choosing:
    """How to choose, as the library takes it."""
    return {
        "width": options.width,
        "viewport": options.viewport,
        "policy": options.policy,
        "formats": options.formats,
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


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise InputError(ErrorKind.BAD_INPUT, "closed", "standard input")
    return sys.stdin.buffer


def _lines(name: str) -> Iterator[str | InputError]:
    from imgfetch.readers.lines import bounded_lines, too_long  # many runs read no list

    found = False
    try:
        file = _standard_input() if name == "-" else open(name, "rb")  # noqa: SIM115, PTH123 (pathlib is slow)
        with file:
            for number, line in enumerate(bounded_lines(file), 1):
                if line is None:
                    found = True
                    yield too_long(number)
                elif line.strip():
                    found = True
                    yield line.decode("utf-8", "replace").strip()
    except OSError as error:
        raise InputError(ErrorKind.BAD_INPUT, f"cannot be read: {error.strerror}", name) from error
    if not found:
        raise InputError(ErrorKind.BAD_INPUT, "empty; a source a line was expected", name)
