"""The scheduler: from sources to jobs, from jobs to outcomes.

    sources ─▶ jobs ─▶ one lookup for up to 64 ─▶ hit? ──yes──▶ Image
                                                   └──no──▶ engine ─▶ Image | Failure | page ─▶ its jobs

What the cache answers needs no engine: a warm run imports neither network code nor Pillow.
"""

from __future__ import annotations

from collections import deque
from contextlib import aclosing
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeAlias

from imgfetch.api.arguments import parse_digest
from imgfetch.api.jobs import complete, job_like, jobs_of, jobs_of_page, template
from imgfetch.api.sources import batched
from imgfetch.engine.lookup import answers, is_recent, look_up, serve_stored
from imgfetch.errors import CheckDueError
from imgfetch.model.result import ErrorKind, Failure, Served
from imgfetch.model.values import Key
from imgfetch.rules.http import urls
from imgfetch.rules.policy import stored_response
from imgfetch.system.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        AsyncIterator,
        Callable,
        Coroutine,
        Iterable,
        Iterator,
        Sequence,
    )

    from imgfetch.api.jobs import Job
    from imgfetch.api.lock import Lock
    from imgfetch.api.results import Image
    from imgfetch.api.selection.choosing import Choosing
    from imgfetch.api.selection.following import Followed, Follower
    from imgfetch.api.selection.select import Observe
    from imgfetch.api.sources import Source
    from imgfetch.api.stores import ClientStore
    from imgfetch.engine.engine import Engine
    from imgfetch.errors import InputError
    from imgfetch.model.image import Lookup
    from imgfetch.model.markup import Choice
    from imgfetch.model.request import Settings
    from imgfetch.model.result import Page

    Outcomes: TypeAlias = "list[Image | Failure]"
    Work: TypeAlias = "Callable[[Job], Coroutine[Any, Any, Outcomes]]"


class Scheduler:
    """Turns sources into jobs, and jobs into outcomes."""

    def __init__(
        self,
        store: ClientStore,
        settings: Settings,
        engine: Callable[[], Engine],
        *,
        lock: Lock | None = None,
        locked: bool = False,
        observe: Observe | None = None,
    ) -> None:
        """`engine` makes the engine when a first request is needed; `observe` is told of documents."""
        self._store = store
        self._settings = settings
        self._engine = engine
        self._lock = lock
        self._locked = locked
        self.observe = observe
        """Receives events about documents; None without a listener."""
        self._follower: tuple[Engine, Follower] | None = None
        """What follows links, and the engine that it does so by."""
        self._clock = SystemClock()
        self._default_template = self._template({})

    # ------------------------------------------------------------------------------------------------
    # From sources to jobs

    def jobs(self, batches: Iterable[Sequence[Source | InputError]], choosing: Choosing) -> Iterator[Job]:
        """Yield the jobs of sources in their order; the sources of a batch are looked up together.

        Raise `CacheError`.
        """
        like = self._template(choosing) if choosing else self._default_template
        index = 0
        for batch in batches:
            yield from self.looked_up(self._jobs_of(batch, index, choosing, like))
            index += len(batch)

    def first_job(self, source: Source, sha256: str | None, choosing: Choosing) -> Job:
        """Return the job of the image that a source is for: the main one of a document."""
        like = self._template(choosing) if choosing else self._default_template
        job = next(self.looked_up(self._jobs_of((source,), 0, choosing, like, only_first=True)))
        if job.hit is not None and sha256 is None:
            return job
        return complete(job)._replace(sha256=parse_digest(sha256), only_first=True)

    async def jobs_of_stream(self, sources: AsyncIterable[Source], choosing: Choosing) -> AsyncIterator[Job]:
        """Yield the jobs of sources as these come."""
        from imgfetch.engine.concurrency import iterate

        like, index = self._template(choosing), 0
        async with aclosing(iterate(sources)) as drawn:
            async for source in drawn:
                for job in self.looked_up(self._jobs_of((source,), index, choosing, like)):
                    yield job
                index += 1

    def _template(self, choosing: Choosing) -> Job | None:
        """Return the template for URLs with hits that need no decision; None if there are none."""
        is_usual = self._lock is None and stored_response.is_usual(self._settings)
        return template(choosing) if is_usual else None

    def _jobs_of(
        self,
        sources: Sequence[Source | InputError],
        first: int,
        choosing: Choosing,
        like: Job | None,
        *,
        only_first: bool = False,
    ) -> Iterator[Job]:
        """Yield the jobs of some sources, `first` being the index of the first of them.

        Most sources are URLs that are their own keys: these are looked up before any source is read.
        """
        keys = [] if like is None else [*_possible_keys(sources)]
        lookup = self._store.lookup(keys, now=self._clock.now()) if keys else None
        hits = {} if lookup is None else lookup.hits
        for index, source in enumerate(sources, first):
            hit = hits.get(Key(source)) if isinstance(source, str) else None
            if like is None or lookup is None or hit is None or not is_recent(lookup, now=self._clock.now()):
                yield from jobs_of(
                    source, index, lookup=lookup, observe=self.observe, only_first=only_first, **choosing
                )
            else:
                yield job_like(like, str(source), index, lookup, hit)

    def looked_up(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """Yield the jobs, each with a recent lookup; those that have none are looked up 64 together.

        Each is to be done before the next is drawn. Raise `CacheError`.
        """
        left = iter(jobs)
        for job in left:
            if self._is_looked_up(job):
                yield job
                continue
            some = deque(map(complete, (job, *islice(left, AHEAD - 1))))
            while some:
                lookup = self._look_up(some)
                yield some.popleft()._replace(lookup=lookup)
                while some and is_recent(lookup, now=self._clock.now()):
                    yield some.popleft()._replace(lookup=lookup)

    def _is_looked_up(self, job: Job) -> bool:
        choice, lookup = job.choice, job.lookup
        if isinstance(choice, Failure):
            return True
        if lookup is None or not is_recent(lookup, now=self._clock.now()):
            return False
        return job.hit is not None or answers(lookup, choice, self._settings)

    def _look_up(self, jobs: Iterable[Job]) -> Lookup:
        choices = [job.choice for job in jobs if not isinstance(job.choice, Failure)]
        return look_up(() if self._locked else choices, self._store, self._settings, now=self._clock.now())

    # ------------------------------------------------------------------------------------------------
    # From jobs to outcomes

    def run(self, jobs: Iterable[Job] | AsyncIterable[Job]) -> AsyncGenerator[Outcomes, None]:
        """Yield the outcomes of each job as it finishes."""
        from imgfetch.engine.concurrency import map_as_completed

        return map_as_completed(jobs, self.run_job, window=self._window, at_once=self.try_cached)

    async def run_together(
        self, groups: Iterable[Sequence[Job]], *, batch: int
    ) -> AsyncGenerator[tuple[Sequence[Job], Outcomes], None]:
        """Yield each group of jobs with all its outcomes, as the last of them finishes.

        The groups of a `batch` are drawn, and looked up, together.
        """
        from imgfetch.engine.concurrency import map_as_completed

        async def work(group: Sequence[Job]) -> tuple[Sequence[Job], Outcomes]:
            is_single = len(group) == 1
            return group, await (self.run_job(group[0]) if is_single else self._all(group, self.run_job))

        def at_once(group: Sequence[Job]) -> tuple[Sequence[Job], Outcomes] | None:
            found = [self.try_cached(job) for job in group]
            cached = [outcomes for outcomes in found if outcomes is not None]
            return (group, [*chain.from_iterable(cached)]) if len(cached) == len(found) else None

        drawn = (group for some in batched(groups, batch) for group in self._groups_looked_up(some))
        async with aclosing(map_as_completed(drawn, work, window=self._window, at_once=at_once)) as finished:
            async for group in finished:
                yield group

    def _groups_looked_up(self, groups: Sequence[Sequence[Job]]) -> Iterator[Sequence[Job]]:
        jobs = self.looked_up(chain.from_iterable(groups))
        for group in groups:
            yield tuple(islice(jobs, len(group)))

    def try_cached(self, job: Job, *, may_block: bool = False) -> Outcomes | None:
        """Return the outcomes of a job if they need no request, else None. Raise `CacheError`.

        Where it `may_block`, large files are hashed if that is due.
        """
        if job.lookup is None or not is_recent(job.lookup, now=self._clock.now()):
            job = complete(job)._replace(lookup=self._look_up((job,)))
        if job.hit is not None:
            return [job.image_of(job.hit)]
        outcomes = []
        for bound in self._bound(job):
            choice = bound.choice
            outcome = (
                choice if isinstance(choice, Failure) else self._stored(bound, choice, may_block=may_block)
            )
            if outcome is None:
                return None
            outcomes.append((bound, outcome))
        return [self._signed(bound, outcome) for bound, outcome in outcomes]

    def run_job(self, job: Job) -> Coroutine[Any, Any, Outcomes]:
        """Return the outcomes of a job, over the network where they need it; of a page, of its images.

        Raise `CacheError`.
        """
        bound = self._bound(job)
        return self._fetch(bound[0]) if len(bound) == 1 else self._all(bound, self._fetch)

    async def probe_page(self, job: Job) -> Iterable[Job]:
        """Return a job for each image of the page at the URL of `job`; `job` itself if it is not a page's.

        No image is fetched. Raise `CacheError`.
        """
        if isinstance(job.choice, Failure) or not job.may_be_a_page:
            return [job]
        found = await self._engine().fetch_page(job.choice.url, job.source_origin)
        if not isinstance(found, Failure):
            return await self._jobs_of_page(job, found)
        return [job if found.kind is ErrorKind.NOT_PAGE else job._replace(choice=found)]

    async def _all(self, jobs: Iterable[Job], work: Work) -> Outcomes:
        """Return the outcomes of many jobs, in their order."""
        from imgfetch.engine.concurrency import map_ordered

        return [*chain.from_iterable(await map_ordered(jobs, work, window=self._window))]

    async def _fetch(self, job: Job) -> Outcomes:
        if isinstance(job.choice, Failure):
            return [self._signed(job, job.choice)]
        if self._locked:
            import asyncio

            served = await asyncio.to_thread(self._stored, job, job.choice, may_block=True)
            if served is not None:
                return [self._signed(job, served)]
        outcome = await self._engine().fetch(
            job.choice,
            sha256=job.sha256,
            page=job.may_be_a_page,
            seen=job.lookup,
            source_origin=job.source_origin,
        )
        if isinstance(outcome, Served | Failure):
            return [self._signed(job, outcome)]
        found = await self._jobs_of_page(job, outcome)
        wanted = self.looked_up(islice(found, 1 if job.only_first else None))
        return await self._all(wanted, self._image_of_page)

    async def _image_of_page(self, job: Job) -> Outcomes:
        if not (self._locked or isinstance(job.choice, Failure)):
            served = self._stored(job, job.choice)
            if served is not None:
                return [self._signed(job, served)]
        return await self._fetch(job)

    async def _jobs_of_page(self, job: Job, page: Page) -> Iterator[Job]:
        """Return the jobs of a page; a large one is parsed in a thread, so that nothing else waits for it."""
        most = self._settings.limits.max_images
        found = jobs_of_page(
            job,
            page,
            most=most,
            robots=self._settings.robots,
            observe=self.observe,
            followed=await self._followed(job, page),
        )
        if len(page.data) < _LARGE_PAGE:
            return found
        import asyncio

        # The first job takes the parse; each of the others is made when it is drawn.
        first = await asyncio.to_thread(next, found, None)
        return found if first is None else chain((first,), found)

    async def _followed(self, job: Job, page: Page) -> Followed | None:
        """Return the documents that a page loads; None where its main image is wanted alone."""
        if job.only_first:
            return None
        from imgfetch.api.selection import following  # pages are few

        document = following.document_of(page)
        wanted = following.types_wanted(job.choosing.get("kinds", "content"))
        if not self._settings.follow or self._locked:
            return following.Followed(unread=following.unread_of(document, wanted))
        engine = self._engine()
        if self._follower is None or self._follower[0] is not engine:  # that of an earlier event loop
            self._follower = engine, following.Follower(engine.fetch_page)
        return await self._follower[1].follow(document, page.source_origin, wanted)

    def _bound(self, job: Job) -> list[Job]:
        """Return the job, or those that bring what is locked of it where only that is wanted."""
        job = complete(job)
        return self._lock.bound(job) if self._lock is not None and self._locked else [job]

    def _stored(self, job: Job, choice: Choice, *, may_block: bool = False) -> Served | None:
        """Serve what needs no request; of what is locked, any stored bytes of its digest.

        Where it `may_block`, large files are hashed if that is due, and what is locked is verified if needed.
        """
        if self._locked and job.sha256 is not None and not self._settings.refresh:
            from imgfetch.api.lock import serve_locked

            return serve_locked(choice, job.sha256, self._store, self._settings, may_block=may_block)
        settings = self._settings._replace(reuse=False) if job.is_one_of_all else self._settings
        try:
            return serve_stored(
                choice,
                self._store,
                settings,
                now=self._clock.now(),
                sha256=job.sha256,
                lookup=job.lookup,
                source_origin=job.source_origin,
                at_once=not may_block,
            )
        except CheckDueError:  # the engine looks it up again, in a thread
            return None

    def _signed(self, job: Job, outcome: Served | Failure) -> Image | Failure:
        """Return an outcome as the caller sees it, and record it in the lock."""
        if self._lock is not None and not self._locked:
            self._lock.take(job, outcome)
        if self._locked and isinstance(outcome, Failure):
            from imgfetch.api.lock import changed

            outcome = changed(outcome)
        return job.sign(outcome)

    @property
    def _window(self) -> int:
        """The number of jobs under way at once: more than requests, so that none waits for a row."""
        return max(64, 2 * self._settings.limits.jobs)


AHEAD = 64
"""Jobs that are looked up together."""

_LARGE_PAGE = 256 * 1024
"""Bytes of a page from which on parsing it would hold up the event loop."""


def _possible_keys(sources: Iterable[Source | InputError]) -> Iterator[Key]:
    for source in sources:
        if isinstance(source, str) and len(source) <= urls.LONGEST and source.isascii():
            yield Key(source)
