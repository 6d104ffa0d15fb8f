"""Outcomes out: a line for each, a count of all, and the exit code they add up to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from imgfetch.cli import output
from imgfetch.cli.exit_codes import OF_INPUT, Exit
from imgfetch.errors import CacheError, error_for
from imgfetch.model.result import ErrorKind, Failure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from imgfetch.api.results import Image
    from imgfetch.cli.report import Report


class Summary:
    """Takes outcomes as they come."""

    def __init__(self, options: argparse.Namespace, report: Report | None = None) -> None:
        """`options` are those of `options._add_output` and `_add_summing`, and `directory`."""
        self._json: bool = options.json
        self._quiet: bool = options.quiet
        self._verbose: bool = options.verbose
        self._enough: tuple[int, int] | None = options.fail_under
        self._report = report
        self._place = _placer(options.directory)
        self.passed_over = 0
        """Images that are there from an earlier run, and of which this one has nothing to print."""
        self._count: Counter[str] = Counter()
        self._failures: Counter[ErrorKind] = Counter()
        self._answered = False
        """Whether an origin answered one that failed: then the caller's input was of use."""
        self._kinds: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()
        self._elsewhere = 0
        """Failures at hosts that were left out of the count by host."""

    def take(self, outcome: Image | Failure) -> str | None:
        """Print an outcome, and give the path of the image, where there is one.

        Raises `CacheError` where the cache failed: it will fail the others too.
        """
        if isinstance(outcome, Failure):
            self._fail(outcome)
            return None
        self._count[outcome.origin] += 1
        path = self._place(outcome)
        output.result(output.json_of(outcome, path) if self._json else path)
        if not self._quiet:
            for warning in outcome.warnings:
                output.say(f"{outcome.path}: {warning}")
        return path

    def close(self) -> Exit:
        """Say what it came to, and give the exit code."""
        if not self._quiet:
            for line in self._summary():
                output.say(line)
        if not self._failures or self._is_enough():
            return Exit.OK
        reasons = set(self._failures)
        of_input = reasons <= OF_INPUT and not self._answered
        if self._there() or not (of_input or reasons == {ErrorKind.IO}):
            return Exit.FAILED
        return Exit.USAGE if of_input else Exit.CACHE

    def _is_enough(self) -> bool:
        if self._enough is None:
            return False
        part, whole = self._enough
        there = self._there()
        return there * whole >= part * (there + self._failures.total())

    def _there(self) -> int:
        return self._count.total() + self.passed_over

    def _summary(self) -> Iterator[str]:
        failed = self._failures.total()
        total = self._count.total() + failed
        if total > 1:
            parts = [f"{count} {what}" for what, count in self._count.items()]
            parts += [f"{failed} failed"] if failed else []
            yield f"{total} images: {', '.join(parts)}"
            if failed:
                yield f"failed: {_most(self._kinds, 8, 'of other kinds')}"
            if self._hosts:
                yield f"failed at: {_most(self._hosts, 5, 'at {} other hosts', beyond=self._elsewhere)}"
        in_report = self._report and self._report.summary()
        if in_report:
            yield f"failed: {in_report}"

    def _fail(self, failed: Failure) -> None:
        failed = output.with_option(failed)
        error = error_for(failed)
        if self._json:
            output.result(output.json_of(failed))
        if isinstance(error, CacheError) and failed.kind is not ErrorKind.IO:
            raise error
        self._failures[failed.kind] += 1
        self._answered |= failed.http_status is not None
        self._kinds[_kind(failed)] += 1
        host = _host(failed.url)
        if host:
            self._count_at(host)
        if self._report is not None:
            self._report.take(failed)
        output.say(str(error))
        if self._verbose:
            for other in failed.tried[1:]:
                output.say(f"  nor {error_for(output.with_option(other))}")

    def _count_at(self, host: str) -> None:
        self._hosts[host] += 1
        if len(self._hosts) > _HOSTS:  # a million of them would take 100 MB
            kept = Counter(dict(self._hosts.most_common(_HOSTS // 2)))
            self._elsewhere += self._hosts.total() - kept.total()
            self._hosts = kept


_HOSTS = 20_000
"""Hosts that are counted one by one; of more, those stay at which most has failed."""


def _kind(failed: Failure) -> str:
    return f"http_status {failed.http_status}" if failed.kind is ErrorKind.HTTP_STATUS else failed.kind


def _host(url: str) -> str:
    """The host that a redacted URL names, and its port if that is not the scheme's; or nothing."""
    from imgfetch.rules.http import urls

    return urls.origin(url.partition("?")[0]).partition("//")[2]


def _most(counts: Counter[str], most: int, others: str, *, beyond: int = 0) -> str:
    """The most frequent, and how many the rest come to: `7 timeout, 2 tls, 4 of other kinds`.

    `beyond` are those under names that `counts` no longer has, nobody knows how many.
    """
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{count:,} {name}" for name, count in ranked[:most]]
    rest = ranked[most:]
    if rest or beyond:
        total = sum(count for _, count in rest) + beyond
        parts.append(f"{total:,} {others.format('many' if beyond else f'{len(rest):,}')}")
    return ", ".join(parts)


def _placer(directory: str | None) -> Callable[[Image], str]:
    if directory is None:
        return lambda image: str(image.path)
    from imgfetch.rules.image.filenames import file_name
    from imgfetch.system.export import copy_to

    def copy(image: Image) -> str:
        return str(copy_to(image.path, directory, file_name(image.url, image.sha256, image.format)))

    return copy
