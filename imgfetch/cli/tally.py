"""Outcomes out: a line for each, a count of all, and the exit code they add up to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from imgfetch.cli import lines
from imgfetch.cli.exits import OF_INPUT, Exit
from imgfetch.errors import CacheError, error_for
from imgfetch.model import Failed, Reason

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from imgfetch.api.values import Failure, Image


class Tally:
    """Takes outcomes as they come."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._json: bool = options.json
        self._quiet: bool = options.quiet
        self._verbose: bool = options.verbose
        self._place = _placer(options.directory)
        self._count: Counter[str] = Counter()
        self._failures: Counter[Reason] = Counter()

    def take(self, outcome: Image | Failure) -> None:
        """Print an outcome. Raises `CacheError` where the cache failed: it will fail the others too."""
        if isinstance(outcome, Failed):
            self._fail(outcome)
            return
        self._count[outcome.origin] += 1
        path = self._place(outcome)
        lines.result(lines.json_of(outcome, path) if self._json else path)
        if not self._quiet:
            for warning in outcome.warnings:
                lines.say(f"{outcome.path}: {warning}")

    def close(self) -> Exit:
        """Say what it came to, and give the exit code."""
        total = self._count.total() + self._failures.total()
        if total > 1 and not self._quiet:
            parts = [f"{count} {what}" for what, count in self._count.items()]
            parts += [f"{self._failures.total()} failed"] if self._failures else []
            lines.say(f"{total} images: {', '.join(parts)}")
        if not self._failures:
            return Exit.OK
        reasons = set(self._failures)
        if self._count or not (reasons <= OF_INPUT or reasons == {Reason.IO}):
            return Exit.FAILED
        return Exit.USAGE if reasons <= OF_INPUT else Exit.CACHE

    def _fail(self, failed: Failure) -> None:
        error = error_for(failed)
        if self._json:
            lines.result(lines.json_of(failed))
        if isinstance(error, CacheError) and failed.reason is not Reason.IO:
            raise error
        self._failures[failed.reason] += 1
        lines.say(str(error))
        if self._verbose:
            for other in failed.tried[1:]:
                lines.say(f"  nor {error_for(other)}")


def _placer(directory: str | None) -> Callable[[Image], str]:
    if directory is None:
        return lambda image: str(image.path)
    from imgfetch.adapters.folder import place
    from imgfetch.rules.names import file_name

    def copy(image: Image) -> str:
        return str(place(image.path, directory, file_name(image.url, image.sha256, image.format)))

    return copy
