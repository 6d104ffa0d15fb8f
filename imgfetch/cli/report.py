"""The report of a run: every failure, with all it takes to ask again.

    failures, as they come ─▶ FILE.….part ─▶ FILE, when the run is over ─▶ imgfetch retry FILE

It has URLs with all of their queries, but without user and password, and is readable for its owner alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from imgfetch.cli import output

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from imgfetch.model.result import Failure
    from imgfetch.system.atomic_files import AppendOnlyFile


class Report:
    """A context manager: what is left without an exception is whole, and gets its name.

    `how` gives, for the index of a source, the members that say how it was asked for: the keywords of a
    choice, and the digest. Where there is no `path`, nothing is written down.
    """

    def __init__(self, path: str | None, how: Callable[[int], dict[str, Any]]) -> None:
        self._path = path
        self._how = how
        self._file: AppendOnlyFile | None = None
        self._count = self._worth = 0

    def __enter__(self) -> Self:
        if self._path is not None:
            from imgfetch.rules.store.jsonl import may_be_report
            from imgfetch.system.atomic_files import AppendOnlyFile

            self._file = AppendOnlyFile(self._path, kind="report", may_replace=may_be_report)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        if error is None:
            self._file.finish()
        elif self._file.leave():
            output.say(f"what failed until now is in {self._file.partial}")

    def take(self, failed: Failure) -> None:
        """Write a failure down."""
        if self._file is not None:
            from imgfetch.rules.store import jsonl

            self._file.write(jsonl.line(_members(failed, self._how(failed.index))))
            self._count += 1
            self._worth += failed.retryable

    def keep(self, line: str) -> None:
        """Take over a line of an earlier report as it is."""
        if self._file is not None:
            self._file.write(line)

    def summary(self) -> str | None:
        """What was written down, and what can be done with it; None where that is nothing."""
        if not self._count:
            return None
        worth = f"{self._worth:,} may succeed: imgfetch retry {self._path}"
        return f"{self._count:,} in {self._path}; {worth if self._worth else 'none is worth another try'}"


def _members(failed: Failure, how: dict[str, Any]) -> dict[str, Any]:
    from imgfetch.rules.http import urls
    from imgfetch.rules.store import jsonl
    from imgfetch.system.clock import SystemClock

    given = urls.source_without_userinfo(failed.given)
    offered = None if failed.choice is None else jsonl.offered(failed.choice.source_set)
    return {
        **output.fields_of(failed),
        "when": output.utc(SystemClock().now()),
        "ask": {"source": given, "offered": offered, "origin": failed.source_origin.origin, **how},
    }
