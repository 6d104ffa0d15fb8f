"""Prints the outcomes of a run, counts them, and decides on the exit code."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from imgfetch.api.normalize import is_one_url
from imgfetch.api.selection.choosing import NO_WIDTH
from imgfetch.api.sources import CELLS_ARE_SOURCES, EVERY_KIND, FILES_ARE_PATHS, LINES_ARE_SOURCES, NO_FILE
from imgfetch.cli import output
from imgfetch.cli.inputs import BATCH_READS_TABLES
from imgfetch.cli.process.exit_codes import INPUT_KINDS, Exit
from imgfetch.errors import CacheError, error_for, limit_hint
from imgfetch.model.options import OPTIONS, Group
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.rules.http.urls import redact
from imgfetch.rules.policy import error_body, retry

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from imgfetch.api.results import Image
    from imgfetch.cli.report import Report
    from imgfetch.outputs.copies import Copies
    from imgfetch.outputs.results_table import ResultsTable


_NOTHING: Mapping[str, str | int] = {}


class Summary:
    """Prints and counts outcomes as they arrive."""

    def __init__(
        self, options: argparse.Namespace, report: Report | None = None, table: ResultsTable | None = None
    ) -> None:
        """`options` must have those of the groups OUTPUT, JSON, SUMMARY and NAMES, and those read here."""
        self._command: str = options.command
        self._json: bool = options.json
        self._quiet: bool = options.quiet
        self._verbose: bool = options.verbose
        self._secrets = [name for name in _WITHHELD if getattr(options, name, None)]
        self._min_share: tuple[int, int] | None = options.fail_under
        self._report, self._table = report, table
        self._copies = _copies_of(options)
        self.skipped = 0
        """Images of an earlier run, which this run does not print."""
        self.failed_before = 0
        """Images that failed for good in an earlier run, and were not asked for."""
        self._small = 0
        """Images that are smaller than the caller wants."""
        self._count: Counter[str] = Counter()
        self._failures: Counter[ErrorKind] = Counter()
        self._has_response = False
        """Whether a failure has a response: then the caller's input was usable."""
        self._kinds: Counter[str] = Counter()
        self._hosts = _Tally()
        self._pages = _Tally()

    def take(self, outcome: Image | Failure, own: Mapping[str, str | int] = _NOTHING) -> str | None:
        """Print an outcome, and return the path of the image; None without one.

        `own` are the fields of the image's row for the name of a copy. Raises `CacheError` if the cache
        failed: the other images would fail too.
        """
        if isinstance(outcome, Failure):
            if outcome.is_skipped:
                self._skip(outcome)
            else:
                self._fail(outcome)
            self._write(outcome, None)
            return None
        self._count[outcome.origin] += 1
        path = str(self._place(outcome, own))
        output.result(output.json_of(outcome, path) if self._json else path)
        self._write(outcome, path)
        if not self._quiet:
            for warning in outcome.warnings:
                output.say(f"{redact(outcome.url)}: {warning}{on_page(outcome)}")
        return path

    def _write(self, outcome: Image | Failure, path: str | None) -> None:
        """Write the row of an image into the table."""
        if self._table is not None and self._table.is_wanted:
            choice = outcome.choice
            alt = "" if choice is None else choice.source_set.alt
            self._table.take(output.fields_of(outcome, path), alt)

    def _place(self, image: Image, own: Mapping[str, str | int]) -> Path:
        if self._copies is None:
            return image.path
        from imgfetch.cli.naming import fields_of

        return self._copies.place(image, fields_of(image, own))

    def close(self, left_out: Iterable[str] = ()) -> Exit:
        """Print the summary and what was left out, and return the exit code."""
        if not self._quiet:
            for line in (*self._summary(), *left_out):
                output.say(line)
        if not (self._failures or self.failed_before) or self._suffices():
            return Exit.OK
        reasons = set(self._failures)
        is_usage = reasons <= INPUT_KINDS and not self._has_response
        if self._available() or self.failed_before or not (is_usage or reasons == {ErrorKind.IO}):
            return Exit.FAILED
        return Exit.USAGE if is_usage else Exit.CACHE

    def _suffices(self) -> bool:
        if self._min_share is None:
            return False
        part, whole = self._min_share
        available = self._available()
        return available * whole >= part * (available + self.failed_before + self._failures.total())

    def _available(self) -> int:
        return self._count.total() + self.skipped

    def _summary(self) -> Iterator[str]:
        failed = self._failures.total()
        total = self._count.total() + failed + self._small
        if total > 1 or self._small:
            parts = [f"{count} {what}" for what, count in self._count.items()]
            parts += [f"{self._small} skipped"] if self._small else []
            parts += [f"{failed} failed"] if failed else []
            yield f"{total} {'image' if total == 1 else 'images'}: {', '.join(parts)}"
            if failed:
                yield f"failed: {_most(self._kinds, 8, 'of other kinds')}"
            if hosts := self._hosts.most("at {} other hosts"):
                yield f"failed at: {hosts}"
            if pages := self._pages.most("in {} other documents"):
                yield f"failed in: {pages}"
        in_report = self._report and self._report.summary()
        if in_report:
            yield f"failed: {in_report}"

    def _skip(self, skipped: Failure) -> None:
        self._small += 1
        if self._json:
            output.result(output.json_of(skipped))
        if self._verbose:
            output.say(f"skipped {error_for(skipped)}{on_page(skipped)}")

    def _fail(self, failed: Failure) -> None:
        failed = with_option(failed, self._command, self._secrets)
        error = error_for(failed)
        if self._json:
            output.result(output.json_of(failed))
        if isinstance(error, CacheError) and failed.kind is not ErrorKind.IO:
            raise error
        self._failures[failed.kind] += 1
        self._has_response |= failed.http_status is not None
        self._kinds[_kind(failed)] += 1
        host = _host(failed.url)
        if host:
            self._hosts.add(host)
        if failed.page:
            self._pages.add(redact(failed.page) if is_one_url(failed.source) else failed.source)
        if self._report is not None:
            self._report.take(failed)
        output.say(f"{error}{on_page(failed)}")
        if self._verbose:
            for other in failed.tried[1:]:
                output.say(f"  nor {error_for(with_option(other, self._command, self._secrets))}")


def on_page(outcome: Image | Failure) -> str:
    """Return the words that name the document of an image; empty for what the caller named itself.

    A file is named as the caller wrote it, and a page of the network by its URL.
    """
    if not outcome.page or outcome.url == outcome.source:  # the failure of the document itself
        return ""
    return f" (on {redact(outcome.page)})" if is_one_url(outcome.source) else f" (in {outcome.source})"


def with_option(failed: Failure, command: str = "", secrets: Iterable[str] = ()) -> Failure:
    """Return the failure with a hint that names options, where the library's names keywords and fields.

    `secrets` are the options with cookies or passwords that were given.
    """
    for name in secrets:
        if failed.hint == _WITHHELD[name]:
            why = f"nothing of --{name.replace('_', '-')} was sent: it has nothing for this host"
            return failed._replace(hint=f"{why}, or the source is a file, and --base names its site")
    if command == "batch" and failed.hint == FILES_ARE_PATHS:
        return failed._replace(hint=_HINTS[retry.NEEDS_BASE])  # a row never names a file
    if failed.limit is not None and failed.hint == limit_hint(failed.limit):
        (option,) = (option for option in OPTIONS[Group.LIMITS] if option.attribute == failed.limit)
        return failed._replace(hint=f"--{option.name} sets the limit")
    if failed.hint is not None and failed.hint.startswith(retry.ALLOW_HOST):
        host = failed.hint.removeprefix(retry.ALLOW_HOST).removesuffix('"]')
        return failed._replace(hint=f"allow it with --allow-host {host}")
    if failed.hint in _HINTS:
        return failed._replace(hint=_HINTS[failed.hint])
    if failed.hint is None and failed.kind is ErrorKind.BAD_INPUT and failed.message == NO_FILE:
        return failed._replace(hint="nor is it a URL, which begins with http:// or https://")
    return failed


_WITHHELD = {
    "cookies": error_body.NEEDS_LOGIN,
    "netrc": retry.NEEDS_PASSWORD,
    "netrc_file": retry.NEEDS_PASSWORD,
}
"""The hint of the library where nothing was sent, by the option that was given."""

_HINTS = {
    **{hint: f"--verify {level} would accept it" for level, hint in retry.LESS_CHECKING.items()},
    FILES_ARE_PATHS: (
        "a file is an argument of get; with --files a line of get -i and a report name files too"
    ),
    NO_WIDTH: "--require-width needs --width, --viewport or a number of pixels",
    EVERY_KIND: "--kinds all takes every image",
    CELLS_ARE_SOURCES: BATCH_READS_TABLES,
    LINES_ARE_SOURCES: "get -i FILE (or -i -) reads each line as a source",
    retry.NEEDS_BASE: "name the page's URL with --base",
    retry.NEEDS_NETWORK: "run again without --offline",
    retry.NEEDS_PERMISSION: "use --robots ignore if you have the owner's permission",
    retry.NEEDS_PASSWORD: "--netrc sends user and password; so does a URL that has them",
    retry.NEEDS_COOKIES: "--cookies FILE sends those of your browser, which it may expect",
    retry.NEEDS_AUTHORITY: "name the certificate authority to trust with --ca-bundle",
    retry.NEEDS_FILES: "lower --jobs, or raise the limit with ulimit -n",
    retry.LOCK_ANEW: "run with --lock and without --locked to lock what is there now",
    retry.NO_LOCK: "imgfetch get --lock FILE writes one",
    retry.ALLOW_DOWNGRADE: "--allow-downgrade follows it",
    error_body.NEEDS_LOGIN: "--cookies FILE sends those of a browser that is logged in",
    error_body.NEEDS_CONTACT: "--contact URL adds a way to reach you to the User-Agent",
    error_body.NEEDS_REFERRER: "--referer URL names the page of the image",
    error_body.NEEDS_NO_REFERRER: "--referrer-policy no-referrer sends no Referer",
    error_body.NEEDS_WHOLE_REFERRER: (
        "--referrer-policy strict-origin-when-cross-origin sends the whole URL of the page, as browsers do;"
        " no-referrer sends none"
    ),
    error_body.NEEDS_BROWSER: (
        "--cookies FILE and --user-agent TEXT of a browser that passed the check may help"
    ),
}
"""Hints of the command line, by those of the library."""


_NAMES = 20_000
"""Names that are counted; beyond, those with the fewest failures are dropped: a million would take 100 MB."""


class _Tally:
    """Counts failures by the name of a host or of a document, in bounded memory."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._uncounted = 0
        """Failures under names that are no longer counted."""

    def add(self, name: str) -> None:
        self._counts[name] += 1
        if len(self._counts) > _NAMES:
            most = Counter(dict(self._counts.most_common(_NAMES // 2)))
            self._uncounted += self._counts.total() - most.total()
            self._counts = most

    def most(self, others: str) -> str:
        """Format the most frequent names; empty where nothing was counted."""
        return _most(self._counts, 5, others, beyond=self._uncounted) if self._counts else ""


def _kind(failed: Failure) -> str:
    return f"http_status {failed.http_status}" if failed.kind is ErrorKind.HTTP_STATUS else failed.kind


def _host(url: str) -> str:
    """Return the host of a redacted URL, with a port that is not the scheme's; empty without one."""
    from imgfetch.rules.http import urls

    return urls.origin(url.partition("?")[0]).partition("//")[2]


def _most(counts: Counter[str], most: int, others: str, *, beyond: int = 0) -> str:
    """Format the most frequent counts and the sum of the rest: `7 timeout, 2 tls, 4 of other kinds`.

    `beyond`: failures under names that `counts` no longer has.
    """
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{count:,} {name}" for name, count in ranked[:most]]
    rest = ranked[most:]
    if rest or beyond:
        total = sum(count for _, count in rest) + beyond
        parts.append(f"{total:,} {others.format('many' if beyond else f'{len(rest):,}')}")
    return ", ".join(parts)


def _copies_of(options: argparse.Namespace) -> Copies | None:
    if options.directory is None and options.name is None and not options.link:
        return None
    from imgfetch.cli.naming import copies_of

    return copies_of(options)
