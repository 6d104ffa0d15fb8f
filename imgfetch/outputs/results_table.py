"""Writes the table of a run: where each image came from, and where it is.

    members of a result ─▶ FILE.….part ─▶ FILE, when the run ends

The name decides: `.tsv` is tab-separated, `.csv` is CSV. Only the owner of the file may read it, since it
has whole URLs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from imgfetch.system.atomic_files import AppendOnlyFile


class ResultsTable:
    """A context manager that renames the complete file on exit without an exception.

    Without a `path` nothing is written.
    """

    def __init__(self, path: str | None) -> None:
        """Raise `InputError` for a name that a spreadsheet would read as something else."""
        if path is not None and not path.lower().endswith((".csv", ".tsv")):
            raise InputError(ErrorKind.BAD_INPUT, "the name of a table ends with .csv or .tsv", path)
        self._path = path
        self._delimiter = "\t" if path is not None and path.lower().endswith(".tsv") else ","
        self._file: AppendOnlyFile | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            from imgfetch.rules.store import results_table
            from imgfetch.system.atomic_files import AppendOnlyFile

            self._file = AppendOnlyFile(self._path, kind="table", may_replace=results_table.may_be_table)
            self._file.write(results_table.header(self._delimiter))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        if error is None:
            self._file.finish()
        else:
            self._file.leave()

    @property
    def is_wanted(self) -> bool:
        """Return whether a table is written."""
        return self._file is not None

    def take(self, members: Mapping[str, Any], alt: str) -> None:
        """Write the row of an image. Raise `InputError`."""
        if self._file is not None:
            from imgfetch.rules.store import results_table

            self._file.write(results_table.row(members, alt, self._delimiter))
