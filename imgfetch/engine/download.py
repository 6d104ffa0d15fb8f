"""One request, the redirects it meets, and what becomes of the bytes.

    hop ─▶ hop ─▶ … ─▶ receive ─▶ prove ─▶ keep

Each hop waits for its turn with the host it goes to; proof and keeping hold nobody's place. Before the first
it is seen whether another process makes the same request: `engine.lease_wait`.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar, assert_never

from imgfetch.engine.events import Followed, Received
from imgfetch.engine.group_commit import Keeper
from imgfetch.engine.lease_wait import Leads
from imgfetch.engine.lookup import answer_to, selector_of, shared, without_blocking
from imgfetch.engine.verification import Inspected, conclude, decode, inspect
from imgfetch.errors import ImgfetchError
from imgfetch.frozen import replace
from imgfetch.model import Defect, Failed, Filing, Key, Origin, Page, Reason, Verified
from imgfetch.rules.crawl.min_speed import Pace
from imgfetch.rules.http import credentials, digests, freshness, resume, stored_headers, urls
from imgfetch.rules.http.content_coding import Undo
from imgfetch.rules.image import placeholders, verify
from imgfetch.rules.policy import fetch_policy, retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imgfetch.engine.events import Event
    from imgfetch.engine.lease_wait import Lead
    from imgfetch.engine.robots import Robots
    from imgfetch.engine.time_budget import Patience
    from imgfetch.engine.turns import Turns
    from imgfetch.model import Ask, Buffer, Entry, Head, Scratch, Settings, Wanted
    from imgfetch.ports import Ports, Reply, Store


class Landed(NamedTuple):
    """A candidate that is in the store now."""

    entry: Entry
    origin: Origin
    warnings: tuple[str, ...] = ()
    attempts: int = 0
    """Requests made, but for redirects, and for those that met an idle connection as it ended."""


class _Led(NamedTuple):
    """Another process makes the request."""


class _Body(NamedTuple):
    """A body that is in scratch, to the last byte the origin promised."""

    scratch: Scratch
    receive: fetch_policy.Receive
    head: Head
    asked_at: float
    received_at: float


T = TypeVar("T")

_Hop: TypeAlias = _Body | Landed | Failed | fetch_policy.Follow | _Led


class Exchange:
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
        self._keeper = Keeper(ports.store, ports.runner)
        self._leads = Leads(self._store, sought=not settings.refresh)  # who refreshes asks in any case

    async def make(self, ask: Ask, wanted: Wanted, patience: Patience) -> Landed | Failed | Page:
        """Ask, follow where it leads, and keep the image if it is one.

        Where another process does so already, what it keeps is taken.
        """
        lead = self._leads.of(ask, wanted)
        try:
            made = await self._attempt(ask, wanted, patience, lead)
            if not isinstance(made, _Led):
                return made
            assert lead is not None  # noqa: S101 (it was sought)
            self._observe(Followed(urls.redact(ask.url)))
            if not await lead.follow(patience):
                self._leads.give_up()
            made = await self._look(ask, wanted) or await self._attempt(ask, wanted, patience, lead)
            assert not isinstance(made, _Led)  # noqa: S101 (nobody is waited for twice)
            return made
        finally:
            if lead is not None:
                lead.release()

    async def _look(self, ask: Ask, wanted: Wanted) -> Landed | Failed | None:
        """What is held by now of what was to be asked for."""
        now = self._clock.now()

        def look(at_once: bool) -> fetch_policy.Serve | None:
            return answer_to(ask, self._store, wanted, self._settings, now=now, at_once=at_once)

        try:
            serve = await without_blocking(look, self._runner)
        except ImgfetchError as error:
            return retry.failure(error.kind, error.message, ask.url, hint=error.hint)
        return None if serve is None else Landed(serve.entry, serve.origin, serve.warnings)

    async def _attempt(
        self, ask: Ask, wanted: Wanted, patience: Patience, lead: Lead | None
    ) -> Landed | Failed | Page | _Led:
        """What has come before of the same is gone on with, where the origin still has it."""
        partial = self._store.resume(_beginning_of(ask, self._store))
        try:
            ask = ask if partial is None else replace(ask, partial=partial)
            landed, last = await self._walk(ask, wanted, patience, lead)
        finally:
            if partial is not None:
                self._store.suspend(partial.scratch)  # unless it is spent
        if isinstance(landed, Failed) and last.hops:
            return replace(landed, message=f"redirected to {urls.redact(last.url)}: {landed.message}")
        return landed

    async def _walk(
        self, ask: Ask, wanted: Wanted, patience: Patience, lead: Lead | None
    ) -> tuple[Landed | Failed | Page | _Led, Ask]:
        """What became of it, and the last request made."""
        try:
            while True:
                instead = partial(self._led_or_held, ask, wanted, None if ask.hops else lead)
                hop: _Hop = await self._turns.take(ask, patience, partial(self._hop, wanted=wanted), instead)
                match hop:
                    case fetch_policy.Follow(ask):
                        refused = await self._robots.judge(ask.url) if self._robots is not None else None
                        if refused is not None:
                            return refused, ask
                    case _Body():
                        return await self._prove_and_keep(hop, ask, wanted, patience), ask
                    case Landed() | Failed() | _Led():
                        return hop, ask
                    case _:
                        assert_never(hop)
        except ImgfetchError as error:
            return retry.failure(error.kind, error.message, ask.url, hint=error.hint), ask

    async def _led_or_held(
        self, ask: Ask, wanted: Wanted, lead: Lead | None
    ) -> _Led | Landed | Failed | None:
        """Whether another makes this request, or has made it by now."""
        if lead is None:
            return None
        return await self._look(ask, wanted) if lead.take() else _Led()

    async def _hop(self, ask: Ask, wanted: Wanted) -> _Hop:
        asked_at = self._clock.now()
        async with self._transport.send(resume.ranged(ask)) as reply:
            received_at = self._clock.now()
            heard = fetch_policy.hear(ask, reply.head, self._settings, now=received_at)
            match heard:
                case fetch_policy.Receive():
                    unfit = verify.unfit(reply.head, wanted)
                    if unfit is not None:
                        return _failure(unfit, ask)
                    scratch = await self._receive(reply, heard, ask)
                    if isinstance(scratch, Defect):
                        return _failure(scratch, ask)
                    head = stored_headers.completed(heard.onto.head, reply.head) if heard.onto else reply.head
                    return _Body(scratch, heard, head, asked_at, received_at)
                case fetch_policy.Refresh(entry):
                    refresh = partial(
                        self._store.refresh, entry, reply.head, asked_at=asked_at, received_at=received_at
                    )
                    return Landed(await self._runner.run(refresh), Origin.REVALIDATED, attempts=1)
                case fetch_policy.Refuse(failed, spoilt):
                    if spoilt and ask.partial is not None:
                        self._store.discard(ask.partial.scratch)
                    return failed
                case fetch_policy.Follow():
                    return heard
                case _:
                    assert_never(heard)

    async def _receive(self, reply: Reply, receive: fetch_policy.Receive, ask: Ask) -> Scratch | Defect:
        taken = receive.onto.length if receive.onto else 0
        undo = Undo(receive.coding, limit=self._settings.limits.max_bytes, taken=taken)
        pace = Pace(self._settings.limits, now=self._clock.elapsed())
        scratch = self._scratch_for(receive, ask)
        whole = marked = False
        try:
            async for chunk in reply.body():
                self._observe(Received(len(chunk)))
                piece = undo.feed(chunk)
                if isinstance(piece, Defect):
                    self._store.discard(scratch)
                    return piece
                received = self._store.append(scratch, piece)
                if not marked and resume.is_worth_keeping(reply.head, received):
                    head = stored_headers.storable(reply.head, ask.resource)
                    self._store.mark(scratch, _beginning_of(ask, self._store), head)
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

    def _scratch_for(self, receive: fetch_policy.Receive, ask: Ask) -> Scratch:
        """Where the body goes: behind what it goes on with, else in a place of its own."""
        if receive.onto is not None:
            return receive.onto.scratch
        if ask.partial is not None:
            self._store.discard(ask.partial.scratch)
        return self._store.begin()

    async def _prove_and_keep(
        self, body: _Body, ask: Ask, wanted: Wanted, patience: Patience
    ) -> Landed | Failed | Page:
        try:
            proved = await self._prove(body, ask, wanted, patience)
            match proved:
                case Defect():
                    return _failure(proved, ask)
                case Page():
                    return proved
                case Verified():
                    selector = selector_of(ask, self._store, redirected=ask.bound is not None)
                    entry = await self._keeper.keep(_filing(proved, body, ask, selector))
                    return Landed(entry, Origin.FETCHED, proved.warnings, attempts=1)
                case _:
                    assert_never(proved)
        finally:
            self._store.discard(body.scratch)

    async def _prove(
        self, body: _Body, ask: Ask, wanted: Wanted, patience: Patience
    ) -> Verified | Defect | Page:
        """Inspect, decode and judge a body; the decode alone may outlive its caller."""
        length = None if body.receive.coding else body.receive.length
        limits = self._settings.limits
        with ExitStack() as contents:

            def look() -> tuple[Buffer, Inspected | Defect]:
                data, digest = contents.enter_context(self._store.contents(body.scratch))
                claims = digests.claims(body.head)
                return data, inspect(data, digest, length=length, wanted=wanted, limits=limits, claims=claims)

            data, inspected = look() if verify.is_quick(length) else await self._runner.run(look)
            if isinstance(inspected, Defect):
                if wanted.page and inspected.reason is Reason.NOT_IMAGE and stored_headers.is_page(body.head):
                    return Page(body.head, bytes(data), _failure(inspected, ask), ask.source_origin)
                return inspected
            decoded: Defect | tuple[str, ...] = ()
            if inspected.load is not None:
                work = partial(decode, data, inspected, wanted, limits, self._decoder)
                decoded = await self._runner.decode(work, inspected.load, partial(_within, patience))
        if isinstance(decoded, Defect):
            return decoded
        proved = conclude(inspected, decoded, body.scratch, wanted)
        if isinstance(proved, Defect):
            return proved
        sharing = shared(proved.facts, self._store)
        signs = placeholders.signs(
            proved.facts, wanted.width, asked=ask.key, found=body.head.url, sharing=sharing
        )
        return verify.suspect(proved, wanted, signs)


def _within(patience: Patience, work: Awaitable[T]) -> Awaitable[T]:
    return patience.spend(work, "the image was not decoded")


def _beginning_of(ask: Ask, store: Store) -> Key:
    """Return the name for a part of a response: what some credentials have begun no others resume."""
    selector = selector_of(ask, store)
    return Key(f"{ask.key} {selector}") if selector else ask.key


def _filing(verified: Verified, body: _Body, ask: Ask, selector: str) -> Filing:
    return Filing(
        verified,
        ask.key,
        stored_headers.storable(body.head, ask.resource),
        body.asked_at,
        body.received_at,
        freshness.selecting(body.head, credentials.unselecting(ask.headers, ask.secrets)),
        ask.bound,
        ask.renditions,
        selector,
    )


def _failure(defect: Defect, ask: Ask) -> Failed:
    return retry.failure_of_bytes(defect, ask.url)
