"""Stand-ins for the ports, which keep their promises in memory."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from imgfetch.errors import CacheError
from imgfetch.model.image import Entry, Hit, Lookup
from imgfetch.model.request import Head, Lease, Partial
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Digest, StagingId
from imgfetch.ports import ignore_warning, never_stop
from imgfetch.rules.http.vary import matches
from imgfetch.rules.image.placeholders import MANY_KEYS, MOST_BYTES
from imgfetch.rules.image.renditions import identity, substitutes
from imgfetch.rules.policy.stored_response import fresh_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from imgfetch.model.image import DecodeLoad, Defect, Facts, Format, PendingEntry
    from imgfetch.model.markup import Rendition
    from imgfetch.model.request import Limits, Request
    from imgfetch.model.values import Buffer, Key
    from imgfetch.ports import Checkpoint, Warn

T = TypeVar("T")


class MemoryStaging:
    """A `Staging` in dictionaries: `bodies` by id, and the `suspended` ones by key."""

    def __init__(self) -> None:
        self.bodies: dict[StagingId, bytearray] = {}
        self.suspended: dict[Key, tuple[bytearray, Head]] = {}
        """Bodies that can be resumed."""
        self._responses: dict[StagingId, tuple[Key, Head]] = {}
        self._opened = 0

    def open(self) -> StagingId:
        self._opened += 1
        staging_id = StagingId(f"{id(self):x}-{self._opened}")
        self.bodies[staging_id] = bytearray()
        return staging_id

    def write(self, staging_id: StagingId, chunk: bytes) -> int:
        data = self.body(staging_id)
        data += chunk
        return len(data)

    @contextmanager
    def read(self, staging_id: StagingId) -> Iterator[tuple[Buffer, Digest]]:
        data = self.body(staging_id)
        yield bytes(data), _digest(data)

    def make_resumable(self, staging_id: StagingId, key: Key, head: Head) -> None:
        assert self.body(staging_id)
        self._responses[staging_id] = key, head

    def suspend(self, staging_id: StagingId) -> None:
        data, response = self.bodies.pop(staging_id, None), self._responses.pop(staging_id, None)
        if data is not None and response is not None:
            self.suspended[response[0]] = data, response[1]

    def resume(self, key: Key) -> Partial | None:
        if key not in self.suspended:
            return None
        data, head = self.suspended.pop(key)
        staging_id = self.open()
        self.bodies[staging_id] = data
        self._responses[staging_id] = key, head
        return Partial(staging_id, len(data), head)

    def forget(self, key: Key) -> None:
        self.suspended.pop(key, None)

    def discard(self, staging_id: StagingId) -> None:
        self.bodies.pop(staging_id, None)
        self._responses.pop(staging_id, None)

    def body(self, staging_id: StagingId) -> bytearray:
        if staging_id not in self.bodies:
            raise CacheError(ErrorKind.IO, "an id that is spent, or another store's")
        return self.bodies[staging_id]


class MemoryLeases:
    """`Leases` in a dictionary."""

    def __init__(self) -> None:
        self.leases: dict[tuple[Key, tuple[tuple[str, str], ...]], Lease] = {}
        """The holder of each; a test may add others."""
        self._acquired = 0

    def acquire(self, key: Key, headers: tuple[tuple[str, str], ...]) -> Lease:
        other = self.leases.get((key, headers))
        if other is not None:
            return other._replace(ours=False)
        self._acquired += 1
        return self.leases.setdefault((key, headers), Lease(True, f"{self._acquired}", f"{self._acquired}"))

    def release(self, lease: Lease) -> None:
        if lease.ours:
            self.leases = {what: other for what, other in self.leases.items() if other != lease}


class MemoryStore(MemoryLeases):
    """A `Store` in dictionaries, with the staging and the leases that belong to it.

    `entries` are by key, selector and fields.
    """

    is_durable = True

    def __init__(self) -> None:
        super().__init__()
        self.staging = MemoryStaging()
        self.objects: dict[Digest, bytes] = {}
        self.entries: dict[tuple[Key, str, tuple[tuple[str, str], ...]], Entry] = {}
        self.source_sets: dict[Key, str] = {}
        """The source set with which each entry was committed."""

    def salt(self) -> bytes:
        return b"salt" * 8

    def find(
        self,
        key: Key,
        headers: tuple[tuple[str, str], ...] | None = (),
        *,
        selector: str | None = "",
        at_once: bool = False,
    ) -> Entry | None:
        latest = sorted(self.entries.values(), key=lambda entry: -entry.response_time)
        of_selector = [e for e in latest if e.key == key and selector in (None, e.selector)]
        variants = [e for e in of_selector if headers is None or matches(e, headers)]
        entry = variants[0] if variants else None
        if entry is None or _digest(self.objects.get(entry.facts.sha256, b"")) != entry.facts.sha256:
            return None
        return entry

    def lookup(self, keys: Sequence[Key], *, now: float) -> Lookup:
        found = {key: entry for key in keys if (entry := self.find(key, None)) is not None}
        answers = {
            key: Hit(self.content(entry), (entry,), itemgetter(0))
            for key, entry in found.items()
            if self._is_unasked(entry, now)
        }
        return Lookup(answers, {*keys}.difference(entry.key for entry in self.entries.values()), now)

    def _is_unasked(self, entry: Entry, now: float) -> bool:
        until = fresh_until(entry)
        same = [other for other in self.entries.values() if other.facts.sha256 == entry.facts.sha256]
        may_be_fake = entry.facts.bytes <= MOST_BYTES and len(same) >= MANY_KEYS
        return until is not None and entry.response_time <= now < until and not may_be_fake

    def keys_sharing(self, facts: Facts) -> tuple[Key, ...]:
        keys = {entry.key for entry in self.entries.values() if entry.facts.sha256 == facts.sha256}
        return tuple(keys)[:100]

    def substitutes(
        self,
        offered: tuple[Rendition, ...],
        headers: tuple[tuple[str, str], ...],
        *,
        chosen: Key,
        least: int,
    ) -> Iterator[tuple[Rendition, Entry]]:
        for rendition in substitutes(offered, chosen=chosen, least=least):
            same = self.source_sets.get(rendition.key) == identity(offered)
            entry = self.find(rendition.key, headers) if same else None
            if entry is not None and entry.facts.width >= least:
                yield rendition, entry

    def content(self, entry: Entry) -> Path:
        return Path("/memory") / f"{entry.facts.sha256}.{entry.facts.format.extension}"

    def commit(self, pending: Sequence[PendingEntry]) -> list[Entry | CacheError]:
        return [self._committed(each) for each in pending]

    def _committed(self, each: PendingEntry) -> Entry | CacheError:
        entry, staging_id = each.entry, each.verified.staging_id
        try:
            data = bytes(self.staging.body(staging_id))
        except CacheError as error:
            return error
        self.staging.discard(staging_id)
        if (_digest(data), len(data)) != (entry.facts.sha256, entry.facts.bytes):
            return CacheError(ErrorKind.IO, "what is to be kept is not what was verified")
        self.objects[entry.facts.sha256] = data
        for other in tuple(self.entries):
            if other[:2] == (entry.key, entry.selector) and not (other[2] and entry.vary_values):
                del self.entries[other]
        self.entries[entry.key, entry.selector, entry.vary_values] = entry
        self.source_sets[entry.key] = identity(each.renditions)
        return entry

    def refresh(self, entry: Entry, *, fresh_until: float | None) -> None:
        held = self.entries.get((entry.key, entry.selector, entry.vary_values))
        if held is not None and held.facts.sha256 == entry.facts.sha256:
            self.entries[entry.key, entry.selector, entry.vary_values] = entry

    def close(self) -> None:
        self.leases.clear()
        for staging_id in tuple(self.staging.bodies):
            self.staging.suspend(staging_id)


def _digest(data: bytes | bytearray) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest())


@dataclass
class FakeReply:
    """A `Reply` of bytes, or of an exception after some."""

    head: Head
    chunks: tuple[bytes | Exception, ...] = ()

    async def body(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            await asyncio.sleep(0)
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


class FakeTransport:
    """A `Transport` that answers from `answers`: by URL, each in turn, the last one again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, list[FakeReply | Exception]] = {}
        self.requests: list[Request] = []
        self.under_way = self.most_under_way = 0
        self.closed = False

    def answer(self, url: str, *replies: tuple[int, bytes] | FakeReply | Exception) -> None:
        self.answers[url] = [
            FakeReply(Head(url, reply[0]), (reply[1],)) if isinstance(reply, tuple) else reply
            for reply in replies
        ]

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[FakeReply]:
        self.requests.append(request)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0)
            answers = self.answers[request.url]
            reply = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(reply, Exception):
                raise reply
            yield reply
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        self.closed = True


class FakeClock:
    """A `Clock` that stands still, but for the sleeps it is asked for; `chance` is always the most."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0
        self.sleeps: list[float] = []

    def now(self) -> float:
        return self.time

    def elapsed(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)

    def chance(self) -> float:
        return 1.0


class TimedTransport(FakeTransport):
    """A FakeTransport that records when each request is sent."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.times: list[float] = []
        self._clock, self._began = clock, clock.time

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[FakeReply]:
        self.times.append(self._clock.time - self._began)
        async with super().send(request) as reply:
            yield reply


class FakeDecoder:
    """A `Decoder` that finds every image whole, or the `defect`, and gives the `warning`."""

    def __init__(self, defect: Defect | None = None, warning: str = "") -> None:
        self.defect = defect
        self.warning = warning
        self.decoded: list[Format] = []

    def lack(self, _: Format) -> Defect | None:
        return None

    def decode(
        self,
        data: Buffer,
        format: Format,  # noqa: A002
        limits: Limits,
        *,
        thorough: bool = False,
        checkpoint: Checkpoint = never_stop,
        warn: Warn = ignore_warning,
    ) -> Defect | None:
        checkpoint()
        if self.warning:
            warn(self.warning)
        self.decoded.append(format)
        return self.defect


class InlineRunner:
    """A `Runner` that works where it stands."""

    async def run(self, work: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        return work()

    async def decode(
        self,
        work: Callable[[Checkpoint], T],
        load: DecodeLoad,
        within: Callable[[Awaitable[T]], Awaitable[T]],
    ) -> T:
        async def result() -> T:
            return work(never_stop)

        return await within(result())
