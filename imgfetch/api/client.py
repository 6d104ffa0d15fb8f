"""The client: sources in, images out.

    source ─▶ read ─▶ choose ─▶ held? ──yes──▶ Image
                                  └──no──▶ engine ─▶ Image | Failure

What the cache holds is answered without the engine: a warm run imports neither network code nor Pillow.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterable
from contextlib import aclosing, closing, suppress
from dataclasses import asdict, replace
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Any, Self, TypeAlias, Unpack

import imgfetch
from imgfetch.api.bounds import bounds_of, check_age_of
from imgfetch.api.headers import headers_of
from imgfetch.api.jobs import Choosing, Job, jobs_of, jobs_of_page, parse_digest
from imgfetch.api.normalize import spelled
from imgfetch.api.shortcut import Batch, Shortcut
from imgfetch.api.sources import lots
from imgfetch.engine.lookup import held, is_recent, look_up, was_seen
from imgfetch.errors import CheckDueError, InputError, error_for, member, printable, several
from imgfetch.model.image import Defect, VerifyLevel
from imgfetch.model.markup import Policy, ReferrerPolicy
from imgfetch.model.request import Limits, Settings
from imgfetch.model.result import ErrorKind, Failure, Served
from imgfetch.rules.http import urls
from imgfetch.rules.store.check_age import CHECK_AGE
from imgfetch.store.disk_store import DiskStore
from imgfetch.system.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Collection,
        Coroutine,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )
    from pathlib import Path
    from types import TracebackType

    import httpx

    from imgfetch.api.lock import Lock
    from imgfetch.api.results import Image
    from imgfetch.api.runtime import Runtime
    from imgfetch.api.sources import Source
    from imgfetch.engine.engine import Engine
    from imgfetch.engine.events import Event
    from imgfetch.model.image import Format, Lookup
    from imgfetch.model.markup import Choice, Viewport
    from imgfetch.model.result import Page


def fetch(
    source: Source,
    *,
    width: int | None = None,
    viewport: Viewport | None = None,
    policy: Policy | str = Policy.COVER,
    formats: Collection[Format | str] | None = None,
    base_url: str = "",
    cache: str | Path = "cache",
    sha256: str | None = None,
    **options: Any,  # noqa: ANN401 (those of Client)
) -> Image:
    """Fetch the first image that `source` offers, for scripts: blocks until it is on disk.

    `source` is a URL of an image or a page, a srcset, a text, a `pathlib.Path`, a `SourceSet` or an open
    file; a `str` never opens a file. `width` (in device pixels), `viewport`, `policy` and `formats` choose
    the rendition, as in `choose`; `base_url` is what relative URLs are relative to; `sha256` is the digest
    the file must have; `options` are those of `Client`. Raises `ImgfetchError`; its `kind` says why.
    """
    client = Client(cache, **options)
    choosing: Choosing = {
        "width": width,
        "viewport": viewport,
        "policy": policy,
        "formats": formats,
        "base_url": base_url,
    }
    with closing(client._store):
        (job,) = client._looked_up([_first(source, sha256, choosing)])
        held = client._at_once(job, may_block=True)
    if held is not None:
        return _image_or_raise(held[0])
    import asyncio

    async def run() -> list[Image | Failure]:
        async with client:
            return await client.run_job(job)

    with suppress(RuntimeError):
        asyncio.get_running_loop()
        raise InputError(
            ErrorKind.BAD_INPUT, "fetch blocks, and an event loop is running; await Client.get there"
        )
    return _image_or_raise(asyncio.run(run())[0])


class Client:
    """Fetches images into a cache. An async context manager: one for a run, on one event loop.

    `limits` bound every fetch. `verify` is how much is proved before a file is kept: `structure`, or `full`
    with a decode of every frame, or `thorough`. `reject_fakes` makes an error of a picture that stands in for
    another (`Image.fakes`). `sandbox` has images decoded in processes of their own. `headers` go to the
    origin of the source as it is given, and to no other that a page or a redirect names; those of
    `headers={"https://host": {…}}` go to that origin. `allow_downgrade` follows redirects from https: to
    http:. `refresh` asks the origin even for what is held; `offline` asks nobody.
    With `reuse`, a wider rendition of the same source set and host that is held answers for the one that
    `cover` chose (docs/caching.md).
    `key_ignore` are shell patterns for query parameters that do not tell one image from another, besides
    those of known signatures. `allow_hosts` names internal hosts, addresses or networks that may be
    contacted. `transport` replaces the network stack, and with it `allow_hosts`, `proxy` and `ca_bundle`; it
    dials for itself, as a `proxy` does: without the address guard, unless it is a `GuardedTransport`.
    `observe` is called with every event on the way (`imgfetch.engine.events`). `lock` takes note of what is
    served, which is then what was chosen; with `locked`, just what it has is served, by its digest, and it is
    not changed. `max_cache` is how many bytes the cache may hold, and `max_age` how many seconds an image may
    lie in it unused: while images are kept, others that were not used for longest go, in the background
    (docs/caching.md). A file that has not been hashed for `check_age` seconds (7 days) is hashed at its
    next use, with 0 at every use; if it is damaged, it is moved to quarantine and fetched again.
    `contact`, a URL or a mail address, is added to the User-Agent. `robots` respects what origins ask of
    crawlers: robots.txt, `X-Robots-Tag`, `TDM-Reservation`; who gathers images by the thousand should.
    `referer` is the URL of the page that all images are said to stand on, in the place of the one they were
    found on; `referrer_policy`, by its standard name, how much of it is told.
    """

    def __init__(
        self,
        cache: str | Path = "cache",
        *,
        limits: Limits | None = None,
        verify: VerifyLevel | str = VerifyLevel.FULL,
        strict_width: bool = False,
        expect_width: int | None = None,
        reject_fakes: bool = False,
        sandbox: bool = False,
        user_agent: str | None = None,
        headers: Mapping[str, str | Mapping[str, str]] | None = None,
        refresh: bool = False,
        offline: bool = False,
        reuse: bool = False,
        key_ignore: Collection[str] = (),
        allow_hosts: Collection[str] = (),
        allow_downgrade: bool = False,
        proxy: str | None = None,
        ca_bundle: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        contact: str | None = None,
        robots: bool = False,
        referer: str = "",
        referrer_policy: ReferrerPolicy | str = ReferrerPolicy.STRICT_ORIGIN,
        observe: Callable[[Event], None] | None = None,
        lock: Lock | None = None,
        locked: bool = False,
        max_cache: int | None = None,
        max_age: float | None = None,
        check_age: float = CHECK_AGE,
    ) -> None:
        if locked and lock is None:
            raise InputError(ErrorKind.BAD_INPUT, "locked needs a lock; Lock.read(path) gives one")
        if transport is not None and (allow_hosts or proxy or ca_bundle):
            raise InputError(
                ErrorKind.BAD_INPUT,
                "a transport dials for itself: what it may reach, and by which way, is said to it",
                "allow_hosts" if allow_hosts else "proxy" if proxy else "ca_bundle",
            )
        agent = user_agent or f"imgfetch/{imgfetch.__version__}"
        own, for_origins = headers_of(headers or {})
        self._settings = Settings(
            limits=_checked(limits or Limits()),
            level=member(VerifyLevel, verify),
            strict_width=strict_width,
            expect_width=expect_width,
            reject_fakes=reject_fakes,
            user_agent=agent if contact is None else f"{agent} (+{_checked_contact(contact)})",
            headers=own,
            headers_for=for_origins,
            allow_downgrade=allow_downgrade,
            refresh=refresh,
            offline=offline,
            reuse=reuse and lock is None,  # a lock is of what pages offer, not of what happens to be held
            key_ignore=several(key_ignore, "key_ignore"),
            robots=_token(agent) if robots else "",
            referer=_checked_page(referer),
            referrer_policy=member(ReferrerPolicy, referrer_policy),
        )
        self._network = (several(allow_hosts, "allow_hosts"), proxy, ca_bundle, transport)
        self._sandbox = sandbox
        self._observe = observe or (lambda _: None)
        self._store = DiskStore(
            cache, bounds=bounds_of(max_cache, max_age), check_age=check_age_of(check_age)
        )
        self._lock = lock
        self._locked = locked
        self._way = Shortcut(self._store, self._settings, {}, is_open=lock is None)
        self._assembly: Runtime | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._store.cut_short()
        await self.close()

    @property
    def cache(self) -> Path:
        """The directory that images are kept in, absolute."""
        return self._store.root

    def release(self) -> list[str]:
        """Write down what was used, and let go of the cache until something is asked of it again.

        What the user should hear of it, in one line each, and once.
        """
        self._store.close()
        told = [*self._store.notices]
        self._store.notices.clear()
        return told

    async def close(self) -> None:
        """Cancel what is under way, drop connections, end threads, let go of the cache. For good.

        Whoever waits for an image or a page hears of it by a `CancelledError`. Where the cache is above
        `max_cache`, that takes until it is below.
        """
        import asyncio

        self._closed = True
        assembly, self._assembly = self._assembly, None
        try:
            if assembly is not None:
                await assembly.close()
        finally:
            await asyncio.to_thread(self._store.close)

    async def get(self, source: Source, *, sha256: str | None = None, **choosing: Unpack[Choosing]) -> Image:
        """Fetch the first image that `source` offers, in the rendition that `choosing` picks.

        `sha256` is the digest the file must have. Raises `ImgfetchError`; its `kind` says why.
        """
        seen = None
        if sha256 is None:
            look = self._shortcut(choosing).look((source,), 0, now=SystemClock().now())
            (image,), seen = look.images, look.seen
            if image is not None:
                return image
        (job,) = self._looked_up([_first(source, sha256, choosing, seen)])
        return _image_or_raise((self._at_once(job) or await self.run_job(job))[0])

    async def get_many(
        self, sources: Iterable[Source] | AsyncIterable[Source], **choosing: Unpack[Choosing]
    ) -> AsyncGenerator[Image | Failure, None]:
        """Fetch every image that the sources offer, and yield what becomes of each as it finishes.

        A source that cannot be read is a Failure too, and the rest goes on. Sources are drawn as they are
        needed, so there may be more of them than memory holds; those of a list some sooner, since to look
        for many at once costs less.
        """
        if isinstance(sources, str):
            raise TypeError("get_many takes several sources; a single one goes in a list")
        async with aclosing(self._run_sources(sources, choosing)) as batches:
            async for batch in batches:
                for outcome in batch:
                    yield outcome

    async def run(
        self, todo: Iterable[Batch | Job] | AsyncIterable[Job]
    ) -> AsyncGenerator[Image | Failure, None]:
        """Yield what becomes of each job, as it finishes, and the images of each batch."""
        async with aclosing(self._run(todo)) as batches:
            async for batch in batches:
                for outcome in batch:
                    yield outcome

    def _run(self, todo: Iterable[Batch | Job] | AsyncIterable[Batch | Job]) -> _Batches:
        from imgfetch.engine.concurrency import map_as_completed

        return map_as_completed(todo, self._work, window=self._window, at_once=self.try_cached, size=_size)

    def jobs(
        self, lots: Iterable[Sequence[Source | InputError]], **choosing: Unpack[Choosing]
    ) -> Iterator[Batch | Job]:
        """What sources come to, in their order; those of a lot are drawn, and looked for, together.

        A batch is to be handed out before what comes after it is drawn. Raises `CacheError`.
        """
        way, index = self._shortcut(choosing), 0
        for some in lots:
            yield from self._parts(way, some, index, choosing)
            index += len(some)

    def _run_sources(self, sources: Iterable[Source] | AsyncIterable[Source], choosing: Choosing) -> _Batches:
        """The same for sources; those of a list are drawn before they are needed, and looked up together."""
        if isinstance(sources, AsyncIterable):
            return self._run(self._drawn(sources, choosing))
        most = _AHEAD if isinstance(sources, list | tuple) else 1
        return self._run(self.jobs(lots(sources, most), **choosing))

    async def _drawn(self, sources: AsyncIterable[Source], choosing: Choosing) -> AsyncIterator[Batch | Job]:
        from imgfetch.engine.concurrency import iterate

        way, index = self._shortcut(choosing), 0
        async with aclosing(iterate(sources)) as drawn:
            async for source in drawn:
                for part in self._parts(way, (source,), index, choosing):
                    yield part
                index += 1

    def _parts(
        self, way: Shortcut, some: Sequence[Source | InputError], first: int, choosing: Choosing
    ) -> Iterator[Batch | Job]:
        """What some sources come to, in their order, those that are there by the short way in batches."""
        clock = SystemClock()
        now = clock.now()
        look = way.look(some, first, now=now)
        images = look.images
        for are_there, group in groupby(range(len(some)), key=lambda place: images[place] is not None):
            places = [*group]
            if are_there:
                batch = Batch([image for place in places if (image := images[place])], clock, now)
                yield batch
                places = places[batch.taken :]  # what was left for so long is looked up again
            yield from self._looked_up(
                job
                for place in places
                for job in jobs_of(some[place], first + place, seen=look.seen, **choosing)
            )

    def _looked_up(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """The same errands, each with what was just seen of it: of those that have none, many at one look.

        Each is to be seen to before the next is drawn. Raises `CacheError`.
        """
        left = iter(jobs)
        for job in left:
            if self._was_seen(job):
                yield job
                continue
            some = deque((job, *islice(left, _AHEAD - 1)))
            while some:
                seen = self._look_up(some)
                yield replace(some.popleft(), seen=seen)
                while some and is_recent(seen, now=SystemClock().now()):
                    yield replace(some.popleft(), seen=seen)

    def _looked_up_together(self, groups: Sequence[Sequence[Job]]) -> Iterator[Sequence[Job]]:
        jobs = self._looked_up(chain.from_iterable(groups))
        for group in groups:
            yield tuple(islice(jobs, len(group)))

    def _was_seen(self, job: Job) -> bool:
        choice, seen = job.choice, job.seen
        if isinstance(choice, Failure):
            return True
        return seen is not None and was_seen(choice, seen, self._settings, now=SystemClock().now())

    def _work(self, item: Batch | Job) -> Coroutine[Any, Any, Iterable[Image | Failure]]:
        assert isinstance(item, Job)  # noqa: S101 (a batch was answered at once)
        return self.run_job(item)

    async def probe_page(self, job: Job) -> Iterable[Job]:
        """Return what an errand comes to: one for each image of the page at its URL, else itself.

        No image is fetched. Raises `CacheError`.
        """
        if isinstance(job.choice, Failure) or not job.may_be_a_page:
            return [job]
        found = await self._engine().fetch_page(job.choice.url, job.source_origin)
        if not isinstance(found, Failure):
            return await self._errands_of_page(job, found)
        return [job if found.kind is ErrorKind.NOT_PAGE else replace(job, choice=found)]

    async def run_together(
        self, groups: Iterable[Sequence[Job]], *, lot: int = 1
    ) -> AsyncGenerator[tuple[Sequence[Job], list[Image | Failure]], None]:
        """Yield each group of errands with what becomes of all of them, as the last of it finishes.

        So many groups as make a `lot` are drawn, and looked up, together.
        """
        from imgfetch.engine.concurrency import map_as_completed

        async def work(group: Sequence[Job]) -> _Settled:
            alone = len(group) == 1
            return group, await (self.run_job(group[0]) if alone else self._settle_all(group, self.run_job))

        def at_once(group: Sequence[Job]) -> _Settled | None:
            found = [self._at_once(job) for job in group]
            held = [outcomes for outcomes in found if outcomes is not None]
            return (group, list(chain.from_iterable(held))) if len(held) == len(found) else None

        drawn = (group for some in lots(groups, lot) for group in self._looked_up_together(some))
        async with aclosing(map_as_completed(drawn, work, window=self._window, at_once=at_once)) as settled:
            async for one in settled:
                yield one

    def try_cached(self, item: Batch | Job) -> Iterable[Image | Failure] | None:
        """What becomes of an errand, if that needs no request. Raises `CacheError`."""
        return item if isinstance(item, Batch) else self._at_once(item)

    def _at_once(self, job: Job, *, may_block: bool = False) -> list[Image | Failure] | None:
        if job.seen is None:
            job = replace(job, seen=self._look_up((job,)))
        outcomes = []
        for bound in self._bound(job):
            choice = bound.choice
            outcome = (
                choice if isinstance(choice, Failure) else self._held(bound, choice, may_block=may_block)
            )
            if outcome is None:
                return None
            outcomes.append((bound, outcome))
        return [self._signed(bound, outcome) for bound, outcome in outcomes]

    def _shortcut(self, choosing: Choosing) -> Shortcut:
        """The short way to what is held."""
        if choosing:
            return Shortcut(self._store, self._settings, choosing, is_open=self._lock is None)
        return self._way

    def _look_up(self, jobs: Iterable[Job]) -> Lookup:
        """What answers for any of the errands, whatever it is asked with: the store is asked once."""
        choices = [job.choice for job in jobs if not isinstance(job.choice, Failure)]
        return look_up(() if self._locked else choices, self._store, self._settings, now=SystemClock().now())

    def run_job(self, job: Job) -> Coroutine[Any, Any, list[Image | Failure]]:
        """What becomes of an errand, over the network where it must be; of a page, of its images.

        Raises `CacheError`.
        """
        bound = self._bound(job)
        return self._settle(bound[0]) if len(bound) == 1 else self._settle_all(bound, self._settle)

    async def _settle_all(
        self,
        jobs: Iterable[Job],
        settle: Callable[[Job], Coroutine[Any, Any, list[Image | Failure]]],
    ) -> list[Image | Failure]:
        """What becomes of many, in their order."""
        from imgfetch.engine.concurrency import map_ordered

        return [*chain.from_iterable(await map_ordered(jobs, settle, window=self._window))]

    async def _settle(self, job: Job) -> list[Image | Failure]:
        if isinstance(job.choice, Failure):
            return [self._signed(job, job.choice)]
        if self._locked:
            import asyncio

            served = await asyncio.to_thread(self._held, job, job.choice, may_block=True)
            if served is not None:
                return [self._signed(job, served)]
        choice, sha256 = job.choice, job.sha256
        outcome = await self._engine().fetch(
            choice,
            sha256=sha256,
            page=job.may_be_a_page,
            seen=job.seen,
            source_origin=job.source_origin,
        )
        if isinstance(outcome, Served | Failure):
            return [self._signed(job, outcome)]
        found = await self._errands_of_page(job, outcome)
        wanted = self._looked_up(islice(found, 1 if job.only_first else None))
        return await self._settle_all(wanted, self._answer)

    async def _errands_of_page(self, job: Job, page: Page) -> Iterator[Job]:
        """Its images; a large page is read on a thread, so that nothing under way has to wait for it."""
        most = self._settings.limits.max_images
        found = jobs_of_page(job, page, most=most, robots=self._settings.robots)
        if len(page.data) < _LARGE_PAGE:
            return found
        import asyncio

        # The page is read before the first is given, and each of the others at its turn.
        first = await asyncio.to_thread(next, found, None)
        return found if first is None else chain((first,), found)

    async def _answer(self, job: Job) -> list[Image | Failure]:
        """What becomes of an image of a page."""
        if not (self._locked or isinstance(job.choice, Failure)):
            served = self._held(job, job.choice)
            if served is not None:
                return [self._signed(job, served)]
        return await self._settle(job)

    def _bound(self, job: Job) -> list[Job]:
        """The errand, or what it comes to where only what is locked is wanted."""
        return self._lock.bound(job) if self._lock is not None and self._locked else [job]

    def _held(self, job: Job, choice: Choice, *, may_block: bool = False) -> Served | None:
        """What needs no request; of what is locked, whatever has the digest.

        Where it `may_block`, large files are hashed if that is due, and what is locked is proved if need be.
        """
        if self._locked and job.sha256 is not None and not self._settings.refresh:
            from imgfetch.api.by_digest import kept

            return kept(choice, job.sha256, self._store, self._settings, anew=may_block)
        settings = self._settings._replace(reuse=False) if job.is_one_of_all else self._settings
        now = SystemClock().now()
        try:
            return held(
                choice,
                self._store,
                settings,
                now=now,
                sha256=job.sha256,
                seen=job.seen,
                source_origin=job.source_origin,
                at_once=not may_block,
            )
        except CheckDueError:  # the engine looks it up again, in a thread
            return None

    def _signed(self, job: Job, outcome: Served | Failure) -> Image | Failure:
        """An outcome as the caller sees it, noted in the lock."""
        if self._lock is not None and not self._locked:
            self._lock.take(job, outcome)
        if self._locked and isinstance(outcome, Failure):
            from imgfetch.api.lock import changed

            outcome = changed(outcome)
        return job.sign(outcome)

    @property
    def _window(self) -> int:
        """How many errands are under way at once: more than requests, so that none waits for a row."""
        return max(64, 2 * self._settings.limits.jobs)

    def _engine(self) -> Engine:
        if self._closed:
            raise RuntimeError("this Client is closed")
        if self._assembly is None:
            from imgfetch.api.runtime import Runtime
            from imgfetch.transports.factory import Network

            self._assembly = Runtime(
                self._store, self._settings, Network(*self._network), self._observe, sandbox=self._sandbox
            )
        return self._assembly.engine


_Batches: TypeAlias = "AsyncGenerator[Iterable[Image | Failure], None]"
_Settled: TypeAlias = "tuple[Sequence[Job], list[Image | Failure]]"

_AHEAD = 64
"""Errands that are looked up together."""

_LARGE_PAGE = 256 * 1024
"""Bytes of a page from which on it takes so long to read that others would notice."""


def _checked(limits: Limits) -> Limits:
    """Limits that end every fetch. Raises `InputError`."""
    for name, least in _LEAST.items():
        value = getattr(limits, name)
        kinds, needed = (int, "a whole number, ") if name in _WHOLE else (int | float, "")
        if not isinstance(value, kinds) or not least <= value < float("inf"):
            message = f"{value!r} is no limit; {needed}at least {least} is needed"
            raise InputError(ErrorKind.BAD_INPUT, message, name)
    return limits


def _checked_contact(contact: str) -> str:
    """A contact that an owner can write to, and that ends where we end it. Raises `InputError`."""
    if not re.fullmatch(r"(?:https?://|[!-'*-;=?A-~]+@)[!-'*-;=?A-~]+", contact):
        raise InputError(ErrorKind.BAD_INPUT, "neither a URL nor a mail address", printable(contact)[:80])
    return contact


def _checked_page(url: str) -> str:
    page = spelled(url)
    address = urls.read(page) if page else None
    if isinstance(address, Defect):
        raise InputError(ErrorKind.BAD_INPUT, address.message, urls.redact(url))
    return page


def _token(agent: str) -> str:
    from imgfetch.rules.crawl.robots import token  # only crawlers need it

    return token(agent)


_USUAL = asdict(Limits())
_LEAST = dict.fromkeys(_USUAL, 1e-3) | dict.fromkeys(("retries", "max_redirects", "backoff_base"), 0)
_WHOLE = frozenset(name for name, usual in _USUAL.items() if isinstance(usual, int))
_LEAST |= dict.fromkeys(
    (
        *("jobs", "per_host", "per_address", "max_bytes", "max_pixels", "max_total_pixels", "max_frames"),
        *("max_images", "decode_memory"),
    ),
    1,
)


def _size(item: Batch | Job) -> int:
    return len(item) if isinstance(item, Batch) else 1


def _first(source: Source, sha256: str | None, choosing: Choosing, seen: Lookup | None = None) -> Job:
    first = next(jobs_of(source, 0, seen=seen, **choosing))
    return replace(first, sha256=parse_digest(sha256), only_first=True)


def _image_or_raise(outcome: Image | Failure) -> Image:
    if isinstance(outcome, Failure):
        raise error_for(outcome)
    return outcome
