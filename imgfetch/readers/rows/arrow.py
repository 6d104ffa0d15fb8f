"""Tables in Apache Parquet and Arrow files, read by batches, so that memory does not grow with their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgfetch.errors import InputError, one_line
from imgfetch.model.result import ErrorKind
from imgfetch.readers.rows.columns import check_columns
from imgfetch.readers.rows.row import row_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from imgfetch.readers.rows.columns import Wanted
    from imgfetch.readers.rows.row import Row


def rows_of_parquet(file: BinaryIO, wanted: Wanted) -> Iterator[Row]:
    """Yield the rows of a Parquet file. Raises `InputError`."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise _missing("a Parquet table") from error
    _check_seekable(file, "a Parquet table")
    with _translated():
        table = parquet.ParquetFile(file)
        check_columns(table.schema_arrow.names, wanted)
        size = _rows_at_a_time(table.schema_arrow)
        yield from _rows(table.iter_batches(batch_size=size), wanted, size)


def rows_of_arrow(file: BinaryIO, wanted: Wanted) -> Iterator[Row]:
    """Yield the rows of an Arrow file or stream, such as a Feather file. Raises `InputError`."""
    try:
        from pyarrow import ipc
    except ImportError as error:
        raise _missing("an Arrow table") from error
    with _translated():
        _check_seekable(file, "an Arrow table")
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        if is_file:
            table = ipc.open_file(file)
            batches = (table.get_batch(number) for number in range(table.num_record_batches))
        else:
            batches = table = ipc.open_stream(file)
        check_columns(table.schema.names, wanted)
        yield from _rows(batches, wanted, _rows_at_a_time(table.schema))


def _rows(batches: Iterable[Any], wanted: Wanted, size: int) -> Iterator[Row]:
    number = 0
    for batch in batches:
        for start in range(0, batch.num_rows, size):  # a batch of an Arrow file may be large
            for members in batch.slice(start, size).to_pylist():
                number += 1
                yield row_of(members, f"row {number}", wanted)


def _rows_at_a_time(schema: Any) -> int:  # noqa: ANN401 (of pyarrow, which may be missing)
    return _BATCH_OF_IMAGES if any("binary" in str(each.type) for each in schema) else _BATCH


def _check_seekable(file: BinaryIO, what: str) -> None:
    if not file.seekable():
        raise InputError(ErrorKind.BAD_INPUT, f"{what} cannot be read from a pipe; name its file")


class _translated:  # noqa: N801 (used like a function)
    """Translate the exceptions of pyarrow, which derive from `ValueError` and `OSError`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        from pyarrow import ArrowException

        if isinstance(error, ArrowException | OSError):
            why = one_line("", str(error).partition("\n")[0], limit=120)
            raise InputError(ErrorKind.BAD_INPUT, f"cannot be read: {why}") from error


def _missing(what: str) -> InputError:
    why = f"{what} needs the extra: pip install 'imgfetch[tables]'"
    return InputError(ErrorKind.BAD_INPUT, why, hint="or save it as CSV")


_BATCH = 1024
"""Rows that are read at a time."""

_BATCH_OF_IMAGES = 32
"""Rows that are read at a time where they have binary data, such as the images themselves."""
