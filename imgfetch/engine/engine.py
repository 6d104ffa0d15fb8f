"""One image, from choice to outcome.

    fetch ─▶ each candidate, until one is served ─▶ in the store? ─▶ single flight ─▶ retries ─▶ Downloader
                            └─ held by its source ─▶ EmbeddedBodies         └─ failed ─▶ stale-if-error

Nothing is decided here: every branch matches on an answer of `rules`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from imgfetch.engine.download import Downloader, Fetched
from imgfetch.engine.embedded import EmbeddedBodies
from imgfetch.engine.events import FellThrough
from imgfetch.engine.limits.host_limiter import HostLimiter
from imgfetch.engine.limits.time_budget import TimeBudget
from imgfetch.engine.lookup import consult, find, shared, wanted_of, without_blocking
from imgfetch.engine.retrying import Retrying
from imgfetch.engine.single_flight import SingleFlight
from imgfetch.model.image import Requirements
from imgfetch.model.request import NO_SOURCE_ORIGIN
from imgfetch.model.result import ErrorKind, Failure, Page, Served
from imgfetch.rules.image import embedded, renditions
from imgfetch.rules.policy import fetch_policy, retry
from imgfetch.rules.policy.request_fields import page_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.engine.events import Event
    from imgfetch.engine.robots import Robots
    from imgfetch.model.image import Lookup
    from imgfetch.model.markup import Candidate, Choice
    from imgfetch.model.request import Fetch, Settings, SourceOrigin
    from imgfetch.model.result import Outcome
    from imgfetch.model.values import Digest
    from imgfetch.ports import Ports


class Engine:
    """Fetches images over the ports it is given."""

    def __init__(self, ports: Ports, settings: Settings, observe: Callable[[Event], None]) -> None:
        self._store = ports.store
        self._runner = ports.runner
        self._clock = ports.clock
        self._settings = settings
        self._observe = observe
        self._single_flights: SingleFlight[Fetched | Failure | Page] = SingleFlight()
        self._retrying = Retrying(settings.limits, ports.clock, observe)
        limiter = HostLimiter(settings.limits, ports.clock, delay=settings.delay)
        self._robots = _robots(ports, limiter, settings, observe) if settings.robots else None
        self._downloader = Downloader(ports, limiter, self._robots, settings, observe)
        self._embedded = EmbeddedBodies(ports, settings, self._downloader.storing)

    async def fetch(
        self,
        choice: Choice,
        *,
        sha256: Digest | None = None,
        page: bool = False,
        seen: Lookup | None = None,
        source_origin: SourceOrigin = NO_SOURCE_ORIGIN,
    ) -> Outcome | Page:
        """Serve the chosen candidate, or the first of the others that is available.

        Where none is, the failure is that of the chosen one, and `tried` has those of the others. Where a
        `page` is accepted too, a response that is one is returned as it came. `seen` is the result of a
        lookup a moment ago. The caller's own header fields are sent to `source_origin` alone.
        """
        budget = TimeBudget(self._settings.limits.total_timeout, self._clock)
        tried: list[tuple[Candidate, Failure]] = []
        offered = renditions.offered(choice, self._settings)
        for candidate in (choice.candidate, *choice.alternatives):
            body = embedded.body_of(candidate.url, choice.source_set)
            asked = candidate.url if body is None else ""  # a host that is out of reach is not asked
            if not all(fetch_policy.may_fall_through(failed, c.url, asked) for c, failed in tried):
                continue
            if tried:
                self._observe(FellThrough(tried[-1][1], candidate))
            wanted = wanted_of(choice, candidate, self._settings, sha256, page=page)
            outcome: Fetched | Failure | Page
            if body is not None:
                outcome = await self._embedded.keep(body, wanted, budget)
            else:
                fetch = fetch_policy.fetch_of(
                    candidate.url,
                    wanted,
                    self._settings,
                    page=page_of(choice),
                    offered=offered,
                    source_origin=source_origin,
                )
                outcome = await self._from_cache_or_network(fetch, budget, seen)
            if isinstance(outcome, Page):
                return outcome
            if isinstance(outcome, Fetched):
                return Served(
                    choice,
                    candidate,
                    outcome.entry,
                    self._store.content(outcome.entry),
                    outcome.origin,
                    outcome.attempts,
                    tuple(failed for _, failed in tried),
                    (
                        *(f"passed over {failed.url}: {failed.message}" for _, failed in tried),
                        *outcome.warnings,
                    ),
                )
            tried.append((candidate, outcome))
        failures = tuple(failed for _, failed in tried)
        return failures[0]._replace(
            retryable=any(failed.retryable for failed in failures),
            tried=failures if len(failures) > 1 else (),
        )

    async def close(self) -> None:
        """Cancel all fetches and their callers, and send no request from now on."""
        if self._robots is not None:
            await self._robots.close()
        await self._single_flights.close()

    async def fetch_page(self, url: str, source_origin: SourceOrigin = NO_SOURCE_ORIGIN) -> Page | Failure:
        """Fetch the page at `url`; the body of a response that says it is something else is not read."""
        budget = TimeBudget(self._settings.limits.total_timeout, self._clock)
        wanted = Requirements(page=True, image=False)
        fetch = fetch_policy.fetch_of(url, wanted, self._settings, source_origin=source_origin)
        outcome = await self._from_cache_or_network(fetch, budget)
        if isinstance(outcome, Fetched):  # the header said that it was a page, or the store had it
            return retry.failure(ErrorKind.NOT_PAGE, "an image, and a page was wanted", url)
        return outcome

    async def _from_cache_or_network(
        self, fetch: Fetch | fetch_policy.Reject, budget: TimeBudget, seen: Lookup | None = None
    ) -> Fetched | Failure | Page:
        if isinstance(fetch, fetch_policy.Reject):
            return fetch.failed
        now = self._clock.now()
        look = partial(consult, fetch, self._store, self._settings, now=now, seen=seen)
        match await without_blocking(look, self._runner):
            case fetch_policy.UseStored(entry, warnings, origin):
                return Fetched(entry, origin, warnings)
            case fetch_policy.Reject(failed):
                return failed
            case fetch:
                refused = await self._robots.check(fetch.request.url) if self._robots is not None else None
                outcome = refused or await self._single_flight(fetch, budget)
                return await self._stale_if_error(outcome, fetch) if isinstance(outcome, Failure) else outcome

    async def _single_flight(self, fetch: Fetch, budget: TimeBudget) -> Fetched | Failure | Page:
        """Share one download with all callers that want the same.

        Where that of another caller ended by its time limit, try again: this caller may have more time.
        """
        # Callers share one where all that is sent, here and after redirects, is the same.
        key = fetch.key, fetch.request.headers, fetch.source_origin, fetch.secrets, fetch.wanted
        while True:
            is_shared = self._single_flights.is_running(key)
            outcome = await self._single_flights.run(key, partial(self._with_retries, fetch, budget))
            if not (is_shared and isinstance(outcome, Failure) and outcome.kind is ErrorKind.TIMEOUT):
                return outcome

    async def _with_retries(self, fetch: Fetch, budget: TimeBudget) -> Fetched | Failure | Page:
        try:
            outcome, attempts = await self._downloader.download(fetch, budget), 1
            if isinstance(outcome, Failure):
                send = partial(self._downloader.download, budget=budget)
                outcome, attempts = await self._retrying.repeat(outcome, send, fetch, budget)
        finally:
            self._downloader.forget(fetch)
        if isinstance(outcome, Fetched) and attempts > 1:
            return outcome._replace(attempts=attempts - 1 + outcome.attempts)
        return outcome

    async def _stale_if_error(self, failed: Failure, fetch: Fetch) -> Fetched | Failure:
        entry = await without_blocking(partial(find, fetch, self._store, self._settings), self._runner)
        sharing = () if entry is None else shared(entry.facts, self._store)
        fallback = fetch_policy.stale_if_error(
            failed, entry, fetch.wanted, self._settings, now=self._clock.now(), sharing=sharing
        )
        if isinstance(fallback, Failure):
            return fallback
        return Fetched(fallback.entry, fallback.origin, fallback.warnings, failed.attempts)


def _robots(
    ports: Ports, limiter: HostLimiter, settings: Settings, observe: Callable[[Event], None]
) -> Robots:
    from imgfetch.engine.robots import Robots  # only crawlers need it

    return Robots(ports, limiter, settings, observe)
