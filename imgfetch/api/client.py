"""The client: the public entry point, from sources to images.

source ─▶ scheduler: jobs ─▶ cached? ──yes──▶ Image
                                └──no──▶ engine ─▶ Image | Failure
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Self, Unpack

import imgfetch
from imgfetch.api.arguments import (
    checked_contact,
    checked_limits,
    checked_page,
    delay_of,
    headers_of,
    robots_token,
    secrets_of,
)
from imgfetch.api.results import image_or_raise
from imgfetch.api.scheduler import AHEAD, Scheduler
from imgfetch.api.sources import batched
from imgfetch.api.stores import store_of
from imgfetch.errors import InputError, member, several
from imgfetch.model.image import VerifyLevel
from imgfetch.model.markup import ReferrerPolicy
from imgfetch.model.request import Limits, Settings
from imgfetch.model.result import ErrorKind
from imgfetch.rules.store.check_age import CHECK_AGE

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Callable,
        Collection,
        Iterable,
        Mapping,
    )
    from http.cookiejar import CookieJar
    from pathlib import Path
    from types import TracebackType

    from imgfetch.api.jobs import Job
    from imgfetch.api.lock import Lock
    from imgfetch.api.results import Image
    from imgfetch.api.runtime import Runtime
    from imgfetch.api.selection.choosing import Choosing
    from imgfetch.api.sources import Source
    from imgfetch.engine.engine import Engine
    from imgfetch.engine.events import Event
    from imgfetch.model.result import Failure
    from imgfetch.transports.foreign import AsyncTransport


class Client:
    """Fetches images into a cache, or into memory. An async context manager: one for a run, on an event loop.

    A client that is not closed serves one `asyncio.run` after another. Each closes its connections.

    `cache` is the directory of the cache. With `cache=None` no file is made: `Image.read()` gives the bytes,
    which nothing but the image holds, and every fetch asks the origin (docs/caching.md).
    `limits` bound every fetch. `verify` is how far a file is verified before it is stored: `structure`, or
    `full` with a decode of every frame, or `thorough`. `reject_fakes` makes an error of a placeholder
    (`Image.fakes`). `sandbox` decodes images in processes of their own. `headers` go to the origin of the
    source as it is given, and to no other that a page or a redirect names; those of
    `headers={"https://host": {…}}` go to that origin. `cookies`, a file in Netscape's format or a
    `CookieJar`, go each to its domain and path, within the site of the source. `netrc`, True or a path,
    gives user and password for the origin of the source. `allow_downgrade` follows redirects from https: to
    http:. `refresh` asks the origin even for fresh images; `offline` makes no request.
    With `reuse`, a wider cached rendition of the same source set and host answers for the one that `cover`
    chose (docs/caching.md).
    `key_ignore` are shell patterns for query parameters that do not tell one image from another, besides
    those of known signatures. `allow_hosts` names internal hosts, addresses or networks that may be
    contacted. `transport` replaces the network stack, and with it `allow_hosts`, `proxy` and `ca_bundle`; it
    connects by itself, as a `proxy` does: without the address guard, unless it is a `PooledTransport`.
    `observe` is called with every event (`imgfetch.engine.events`). `lock` records the images that are
    served, which are then the chosen ones; with `locked`, only what it has is served, by its digest, and it
    does not change. `max_cache` is the number of bytes that the cache may hold, and `max_age` the number of
    seconds that an image may stay in it unused: while images are stored, the least recently used ones are
    evicted in the background (docs/caching.md). A file that has not been hashed for `check_age` seconds (7
    days) is hashed at its next use, with 0 at every use; a damaged file is moved to quarantine and fetched
    again.
    `delay` is the number of seconds between two requests to one host, also for redirects and retries.
    `contact`, a URL or a mail address, is added to the User-Agent. `robots` respects what origins ask of
    crawlers: robots.txt, `X-Robots-Tag`, `TDM-Reservation`; use it to gather images by the thousand.
    `referer` is the URL of the page that is sent as the referrer of all images, in place of the one that an
    image was found on; `referrer_policy`, by its standard name, says how much of it is sent. Without it the
    page decides (`referrerpolicy`, `<meta name=referrer>`, Referrer-Policy), and else it is `strict-origin`.
    """

    def __init__(
        self,
        cache: str | Path | None = "cache",
        *,
        limits: Limits | None = None,
        verify: VerifyLevel | str = VerifyLevel.FULL,
        strict_width: bool = False,
        expect_width: int | None = None,
        reject_fakes: bool = False,
        sandbox: bool = False,
        user_agent: str | None = None,
        headers: Mapping[str, str | Mapping[str, str]] | None = None,
        cookies: str | Path | CookieJar | None = None,
        netrc: bool | str | Path = False,
        refresh: bool = False,
        offline: bool = False,
        reuse: bool = False,
        key_ignore: Collection[str] = (),
        allow_hosts: Collection[str] = (),
        allow_downgrade: bool = False,
        proxy: str | None = None,
        ca_bundle: str | None = None,
        transport: AsyncTransport | None = None,
        contact: str | None = None,
        robots: bool = False,
        referer: str = "",
        referrer_policy: ReferrerPolicy | str | None = None,
        follow: bool = True,
        delay: float = 0.0,
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
                "a transport connects by itself: give it what it may reach, and by which way",
                "allow_hosts" if allow_hosts else "proxy" if proxy else "ca_bundle",
            )
        agent = user_agent or f"imgfetch/{imgfetch.__version__}"
        own, for_origins = headers_of(headers or {})
        sent_cookies, passwords, self._notices = secrets_of(cookies, netrc)
        self._settings = Settings(
            limits=checked_limits(limits or Limits()),
            level=member(VerifyLevel, verify),
            strict_width=strict_width,
            expect_width=expect_width,
            reject_fakes=reject_fakes,
            user_agent=agent if contact is None else f"{agent} (+{checked_contact(contact)})",
            headers=own,
            headers_for=for_origins,
            cookies=sent_cookies,
            netrc=passwords,
            allow_downgrade=allow_downgrade,
            refresh=refresh,
            offline=offline,
            reuse=reuse and lock is None,  # a lock has what pages offer, not what happens to be cached
            key_ignore=several(key_ignore, "key_ignore"),
            robots=robots_token(agent) if robots else "",
            referer=checked_page(referer),
            referrer_policy=None if referrer_policy is None else member(ReferrerPolicy, referrer_policy),
            follow=follow,
            delay=delay_of(delay),
        )
        self._network = (several(allow_hosts, "allow_hosts"), proxy, ca_bundle, transport)
        self._sandbox = sandbox
        self._observe = observe or (lambda _: None)
        self._store = store_of(
            cache, max_cache=max_cache, max_age=max_age, check_age=check_age, reuse=reuse, offline=offline
        )
        self.scheduler = Scheduler(
            self._store, self._settings, self._engine, lock=lock, locked=locked, observe=observe
        )
        """Makes jobs of sources, and outcomes of jobs; for the command line."""
        self._runtime: Runtime | None = None
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
    def cache(self) -> Path | None:
        """The directory of the cache, absolute; None without a cache."""
        return self._store.root

    def release(self) -> list[str]:
        """Persist accesses and close the files of the cache; the next fetch opens them again.

        Return notices for the user, one line each, each once.
        """
        self._store.close()
        notices = [*self._notices, *self._store.notices]
        self._notices = ()
        self._store.notices.clear()
        return notices

    async def close(self) -> None:
        """Cancel all fetches, close connections, threads and the cache. For good.

        Callers that wait for an image or a page get a `CancelledError`. Where the cache is above `max_cache`,
        closing takes until it is below.
        """
        import asyncio

        self._closed = True
        runtime, self._runtime = self._runtime, None
        try:
            if runtime is not None:
                await runtime.close()
        finally:
            if self._store.is_durable:
                await asyncio.to_thread(self._store.close)
            else:
                self._store.close()

    async def get(self, source: Source, *, sha256: str | None = None, **choosing: Unpack[Choosing]) -> Image:
        """Fetch the image of `source`, in the rendition that `choosing` picks; of a page its main image.

        `sha256` is the digest the file must have. Raise `ImgfetchError`; its `kind` says why.
        """
        job = self.scheduler.first_job(source, sha256, choosing)
        return image_or_raise((self.scheduler.try_cached(job) or await self.scheduler.run_job(job))[0])

    async def get_many(
        self, sources: Iterable[Source] | AsyncIterable[Source], **choosing: Unpack[Choosing]
    ) -> AsyncGenerator[Image | Failure, None]:
        """Fetch every wanted image of the sources, and yield the outcome of each as it finishes.

        Which images of a document are wanted, docs/images.md says; `kinds` names others.

        A source that cannot be read is a Failure too, and the rest goes on. Sources are drawn as they are
        needed, so there may be more of them than memory holds; those of a list some sooner, since one lookup
        for many costs less.
        """
        if isinstance(sources, str):
            raise TypeError("get_many takes several sources; a single one goes in a list")
        jobs: Iterable[Job] | AsyncIterable[Job]
        if isinstance(sources, AsyncIterable):
            jobs = self.scheduler.jobs_of_stream(sources, choosing)
        else:
            most = AHEAD if isinstance(sources, list | tuple) else 1
            jobs = self.scheduler.jobs(batched(sources, most), choosing)
        async with aclosing(self.scheduler.run(jobs)) as finished:
            async for outcomes in finished:
                for outcome in outcomes:
                    yield outcome

    def _engine(self) -> Engine:
        """Return the engine on the running event loop; a new one where the loop of the last has ended."""
        if self._closed:
            raise RuntimeError("this Client is closed; make another")
        if self._runtime is not None and self._is_of_another_loop(self._runtime):
            self._runtime = None
        if self._runtime is None:
            from imgfetch.api.runtime import Runtime
            from imgfetch.transports.factory import Network

            self._runtime = Runtime(
                self._store, self._settings, Network(*self._network), self._observe, sandbox=self._sandbox
            )
        return self._runtime.engine

    @staticmethod
    def _is_of_another_loop(runtime: Runtime) -> bool:
        """Return whether a runtime belongs to an event loop that has ended. Raise if it has not."""
        import asyncio

        if runtime.loop is asyncio.get_running_loop() and not runtime.has_ended:
            return False
        if runtime.has_ended or runtime.loop.is_closed():
            return True
        raise RuntimeError(
            "this Client serves another event loop, which has not ended; make one for each loop"
        )
