"""One request, the redirects it meets, and what becomes of the bytes.

    hop ─▶ hop ─▶ … ─▶ receive ─▶ prove ─▶ keep

Each hop waits for its turn with the host it goes to; proof and keeping hold nobody's place. Before the first
it is seen whether another process makes the same request: `engine.lease_wait`.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar, assert_never

from imgfetch.engine.events import BytesReceived, WaitingForOtherProcess
from imgfetch.engine.group_commit import GroupCommitter
from imgfetch.engine.lease_wait import LeaseHolders
from imgfetch.engine.lookup import answer_to, selector_of, shared, without_blocking
from imgfetch.engine.verification import Inspected, conclude, decode, inspect
from imgfetch.errors import ImgfetchError
from imgfetch.frozen import replace
from imgfetch.model.image import Defect, PendingEntry, Verified
from imgfetch.model.result import CacheStatus, ErrorKind, Failure, Page
from imgfetch.model.values import Key
from imgfetch.rules.crawl.min_speed import MinimumSpeed
from imgfetch.rules.http import credentials, digests, resume, stored_headers, urls, vary
from imgfetch.rules.http.content_coding import Decoder
from imgfetch.rules.image import placeholders, verify
from imgfetch.rules.policy import fetch_policy, retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imgfetch.engine.events import Event
    from imgfetch.engine.lease_wait import LeaseHolder
    from imgfetch.engine.robots import Robots
    from imgfetch.engine.time_budget import TimeBudget
    from imgfetch.engine.turns import Turns
    from imgfetch.model.image import Entry, Requirements
    from imgfetch.model.request import Head, Request, Settings
    from imgfetch.model.values import Buffer, StagingId
    from imgfetch.ports import Ports, Response, Store


class Fetched(NamedTuple):
    """A candidate that is in the store now."""

    entry: Entry
    origin: CacheStatus
    warnings: tuple[str, ...] = ()
    attempts: int = 0
    """Requests made, but for redirects, and for those that met an idle connection as it ended."""


class _Led(NamedTuple):
    """Another process makes the request."""


class _Body(NamedTuple):
    """A body that is in scratch, to the last byte the origin promised."""

    scratch: StagingId
    receive: fetch_policy.ReadBody
    head: Head
    request_time: float
    response_time: float


T = TypeVar("T")

_Hop: TypeAlias = _Body | Fetched | Failure | fetch_policy.Redirect | _Led


class Downloader:
    """Makes requests over the ports, and keeps what proves to be what was wanted."""

    def __init__(
        self,
        ports: Ports,
        turns: Turns,
        robots: Robots | None,
        settings: Settings,
        observe: Callable[[Event], None],
    ) -> None:
        self._transport, self._store, self._decoder, self._clock, self._runner = ports
        self._turns = turns
        self._robots = robots
        self._settings = settings
        self._observe = observe
        self._keeper = GroupCommitter(ports.store, ports.runner)
        self._leads = LeaseHolders(self._store, sought=not settings.refresh)  # who refreshes asks in any case

    async def download(
        self, ask: Request, wanted: Requirements, budget: TimeBudget
    ) -> Fetched | Failure | Page:
        """Ask, follow where it leads, and keep the image if it is one.

        Where another process does so already, what it keeps is taken.
        """
        lead = self._leads.of(ask, wanted)
        try:
            made = await self._attempt(ask, wanted, budget, lead)
            if not isinstance(made, _Led):
                return made
            assert lead is not None  # noqa: S101 (it was sought)
            self._observe(WaitingForOtherProcess(urls.redact(ask.url)))
            if not await lead.wait_for_holder(budget):
                self._leads.give_up()
            made = await self._look(ask, wanted) or await self._attempt(ask, wanted, budget, lead)
            assert not isinstance(made, _Led)  # noqa: S101 (nobody is waited for twice)
            return made
        finally:
            if lead is not None:
                lead.release()

    async def _look(self, ask: Request, wanted: Requirements) -> Fetched | Failure | None:
        """What is held by now of what was to be asked for."""
        now = self._clock.now()

        def look(at_once: bool) -> fetch_policy.UseStored | None:
            return answer_to(ask, self._store, wanted, self._settings, now=now, at_once=at_once)

        try:
            serve = await without_blocking(look, self._runner)
        except ImgfetchError as error:
            return retry.failure(error.kind, error.message, ask.url, hint=error.hint)
        return None if serve is None else Fetched(serve.entry, serve.origin, serve.warnings)

    async def _attempt(
        self, ask: Request, wanted: Requirements, budget: TimeBudget, lead: LeaseHolder | None
    ) -> Fetched | Failure | Page | _Led:
        """What has come before of the same is gone on with, where the origin still has it."""
        partial = self._store.resume(_beginning_of(ask, self._store))
        try:
            ask = ask if partial is None else replace(ask, partial=partial)
            landed, last = await self._follow_redirects(ask, wanted, budget, lead)
        finally:
            if partial is not None:
                self._store.suspend(partial.staging_id)  # unless it is spent
        if isinstance(landed, Failure) and last.hops:
            return replace(landed, message=f"redirected to {urls.redact(last.url)}: {landed.message}")
        return landed

    async def _follow_redirects(
        self, ask: Request, wanted: Requirements, budget: TimeBudget, lead: LeaseHolder | None
    ) -> tuple[Fetched | Failure | Page | _Led, Request]:
        """What became of it, and the last request made."""
        try:
            while True:
                instead = partial(self._led_or_held, ask, wanted, None if ask.hops else lead)
                hop: _Hop = await self._turns.take(ask, budget, partial(self._send, wanted=wanted), instead)
                match hop:
                    case fetch_policy.Redirect(ask):
                        refused = await self._robots.check(ask.url) if self._robots is not None else None
                        if refused is not None:
                            return refused, ask
                    case _Body():
                        return await self._prove_and_keep(hop, ask, wanted, budget), ask
                    case Fetched() | Failure() | _Led():
                        return hop, ask
                    case _:
                        assert_never(hop)
        except ImgfetchError as error:
            return retry.failure(error.kind, error.message, ask.url, hint=error.hint), ask

    async def _led_or_held(
        self, ask: Request, wanted: Requirements, lead: LeaseHolder | None
    ) -> _Led | Fetched | Failure | None:
        """Whether another makes this request, or has made it by now."""
        if lead is None:
            return None
        return await self._look(ask, wanted) if lead.acquire() else _Led()

    async def _send(self, ask: Request, wanted: Requirements) -> _Hop:
        request_time = self._clock.now()
        async with self._transport.send(resume.ranged(ask)) as reply:
            response_time = self._clock.now()
            heard = fetch_policy.after_response(ask, reply.head, self._settings, now=response_time)
            match heard:
                case fetch_policy.ReadBody():
                    unfit = verify.check_content_type(reply.head, wanted)
                    if unfit is not None:
                        return _failure(unfit, ask)
                    scratch = await self._receive(reply, heard, ask)
                    if isinstance(scratch, Defect):
                        return _failure(scratch, ask)
                    head = stored_headers.completed(heard.onto.head, reply.head) if heard.onto else reply.head
                    return _Body(scratch, heard, head, request_time, response_time)
                case fetch_policy.NotModified(entry):
                    refresh = partial(
                        self._store.refresh,
                        entry,
                        reply.head,
                        request_time=request_time,
                        response_time=response_time,
                    )
                    return Fetched(await self._runner.run(refresh), CacheStatus.REVALIDATED, attempts=1)
                case fetch_policy.Reject(failed, spoilt):
                    if spoilt and ask.partial is not None:
                        self._store.discard(ask.partial.staging_id)
                    return failed
                case fetch_policy.Redirect():
                    return heard
                case _:
                    assert_never(heard)

    async def _receive(
        self, reply: Response, receive: fetch_policy.ReadBody, ask: Request
    ) -> StagingId | Defect:
        taken = receive.onto.length if receive.onto else 0
        undo = Decoder(receive.coding, limit=self._settings.limits.max_bytes, taken=taken)
        pace = MinimumSpeed(self._settings.limits, now=self._clock.elapsed())
        scratch = self._scratch_for(receive, ask)
        whole = marked = False
        try:
            async for chunk in reply.body():
                self._observe(BytesReceived(len(chunk)))
                piece = undo.feed(chunk)
                if isinstance(piece, Defect):
                    self._store.discard(scratch)
                    return piece
                received = self._store.write(scratch, piece)
                if not marked and resume.is_worth_keeping(reply.head, received):
                    head = stored_headers.storable(reply.head, ask.resource)
                    self._store.make_resumable(scratch, _beginning_of(ask, self._store), head)
                    marked = True
                slow = pace.feed(len(chunk), now=self._clock.elapsed())
                if slow is not None:
                    return slow
            cut = undo.end()
            if cut is not None:
                self._store.discard(scratch)
                return cut
            whole = True
            return scratch
        finally:
            if not whole:
                self._store.suspend(scratch)

    def _scratch_for(self, receive: fetch_policy.ReadBody, ask: Request) -> StagingId:
        """Where the body goes: behind what it goes on with, else in a place of its own."""
        if receive.onto is not None:
            return receive.onto.staging_id
        if ask.partial is not None:
            self._store.discard(ask.partial.staging_id)
        return self._store.open()

    async def _prove_and_keep(
        self, body: _Body, ask: Request, wanted: Requirements, budget: TimeBudget
    ) -> Fetched | Failure | Page:
        try:
            proved = await self._prove(body, ask, wanted, budget)
            match proved:
                case Defect():
                    return _failure(proved, ask)
                case Page():
                    return proved
                case Verified():
                    selector = selector_of(ask, self._store, redirected=ask.redirect_lifetime is not None)
                    entry = await self._keeper.commit(_filing(proved, body, ask, selector))
                    return Fetched(entry, CacheStatus.FETCHED, proved.warnings, attempts=1)
                case _:
                    assert_never(proved)
        finally:
            self._store.discard(body.scratch)

    async def _prove(
        self, body: _Body, ask: Request, wanted: Requirements, budget: TimeBudget
    ) -> Verified | Defect | Page:
        """Inspect, decode and judge a body; the decode alone may outlive its caller."""
        length = None if body.receive.coding else body.receive.length
        limits = self._settings.limits
        with ExitStack() as contents:

            def look() -> tuple[Buffer, Inspected | Defect]:
                data, digest = contents.enter_context(self._store.read(body.scratch))
                claims = digests.claims(body.head)
                return data, inspect(data, digest, length=length, wanted=wanted, limits=limits, claims=claims)

            data, inspected = look() if verify.is_quick(length) else await self._runner.run(look)
            if isinstance(inspected, Defect):
                if (
                    wanted.page
                    and inspected.kind is ErrorKind.NOT_IMAGE
                    and stored_headers.is_page(body.head)
                ):
                    return Page(body.head, bytes(data), _failure(inspected, ask), ask.source_origin)
                return inspected
            decoded: Defect | tuple[str, ...] = ()
            if inspected.load is not None:
                work = partial(decode, data, inspected, wanted, limits, self._decoder)
                decoded = await self._runner.decode(work, inspected.load, partial(_within, budget))
        if isinstance(decoded, Defect):
            return decoded
        proved = conclude(inspected, decoded, body.scratch, wanted)
        if isinstance(proved, Defect):
            return proved
        sharing = shared(proved.facts, self._store)
        signs = placeholders.detect(
            proved.facts, wanted.width, asked=ask.key, found=body.head.url, sharing=sharing
        )
        return verify.apply_placeholder_policy(proved, wanted, signs)


def _within(budget: TimeBudget, work: Awaitable[T]) -> Awaitable[T]:
    return budget.run(work, "the image was not decoded")


def _beginning_of(ask: Request, store: Store) -> Key:
    """Return the name for a part of a response: what some credentials have begun no others resume."""
    selector = selector_of(ask, store)
    return Key(f"{ask.key} {selector}") if selector else ask.key


def _filing(verified: Verified, body: _Body, ask: Request, selector: str) -> PendingEntry:
    return PendingEntry(
        verified,
        ask.key,
        stored_headers.storable(body.head, ask.resource),
        body.request_time,
        body.response_time,
        vary.selecting(body.head, credentials.unselecting(ask.headers, ask.secrets)),
        ask.redirect_lifetime,
        ask.renditions,
        selector,
    )


def _failure(defect: Defect, ask: Request) -> Failure:
    return retry.failure_of_bytes(defect, ask.url)
