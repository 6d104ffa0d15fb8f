"""The report of a run: every failure, with all that a retry needs.

    failures ─▶ FILE.….part ─▶ FILE, when the run ends ─▶ imgfetch retry FILE

Its URLs have their whole query, but no userinfo. Only the owner of the file may read it.
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
    """Writes a report; a context manager that renames the complete file on exit without an exception.

    `how` returns, for the index of a source, the members that say how its image was chosen: the keywords of
    a choice, and the digest. Without a `path` nothing is written. `again` says in words what asks again for
    what may succeed; without it, that is `imgfetch retry`.
    """

    def __init__(
        self, path: str | None, how: Callable[[int], dict[str, Any]], *, again: str | None = None
    ) -> None:
        self._path = path
        self._how = how
        self._again = again or f"imgfetch retry {path}"
        self._file: AppendOnlyFile | None = None
        self._count = self._retryable = 0

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
            output.say(f"the failures so far are in {self._file.partial}")

    def take(self, failed: Failure) -> None:
        """Write a failure."""
        if self._file is not None:
            from imgfetch.rules.store import jsonl

            self._file.write(jsonl.line(_members(failed, self._how(failed.index))))
            self._count += 1
            self._retryable += failed.retryable

    def copy(self, line: str) -> None:
        """Write a line of an earlier report unchanged."""
        if self._file is not None:
            self._file.write(line)

    def summary(self) -> str | None:
        """Return the number of failures written and how to retry them; None without a failure."""
        if not self._count:
            return None
        retry = f"{self._retryable:,} may succeed: {self._again}"
        return f"{self._count:,} in {self._path}; {retry if self._retryable else 'a retry would not help'}"


def _members(failed: Failure, how: dict[str, Any]) -> dict[str, Any]:
    from imgfetch.rules.http import urls
    from imgfetch.rules.store import jsonl
    from imgfetch.system.clock import SystemClock

    given = urls.source_without_userinfo(failed.given)
    choice = failed.choice
    offered = None if choice is None else jsonl.offered(choice.source_set)
    host = {"host": failed.source_origin.host} if failed.source_origin.host else {}
    page = {"page": urls.without_userinfo(choice.page)} if choice is not None and choice.page else {}
    alt = {"alt": choice.source_set.alt} if choice is not None and choice.source_set.alt else {}
    return {
        **output.fields_of(failed),
        "when": output.utc(SystemClock().now()),
        "ask": {
            "source": given,
            "offered": offered,
            "origin": failed.source_origin.origin,
            **host,
            **page,
            **alt,
            **how,
        },
    }
