"""What the engine needs of the world: Protocols that speak only in the model's values.

Each is small enough to be faked in a page (`tests/fakes.py`). An implementation translates the
exceptions of the library it stands on into `imgfetch.errors`, cause kept; nothing else comes through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from pathlib import Path

    from imgfetch.errors import CacheError
    from imgfetch.model.image import DecodeLoad, Defect, Entry, Facts, Format, Lookup, PendingEntry
    from imgfetch.model.markup import Rendition
    from imgfetch.model.request import Head, Lease, Limits, Partial, Request
    from imgfetch.model.values import Buffer, Digest, Key, StagingId

T = TypeVar("T")


class Response(Protocol):
    """A response whose head has come and whose body is still on the wire."""

    @property
    def head(self) -> Head:
        """The final response's head: interim responses (1xx) are never shown."""

    def body(self) -> AsyncIterator[bytes]:
        """The body as the origin sent it, content coding not undone, in pieces of at most 64 KiB or so.

        Ends only where the message framing says the body is whole; raises `NetworkError` otherwise.
        """


class AddressBusy(Exception):
    """The address that a request leads to has as many connections as it may have: nothing was sent.

    Give back what others could use, `wait`, and send again. When that has ended in any way, call `pass_on`.
    """

    async def wait(self) -> None:
        """Wait until there may be room for one more."""
        raise NotImplementedError

    def pass_on(self) -> None:
        """Let another that waits have the room, if it was not used."""
        raise NotImplementedError


class Transport(Protocol):
    """Speaks HTTP. Follows no redirect, keeps no cookie, retries nothing, dials no blocked address."""

    def send(self, ask: Request) -> AbstractAsyncContextManager[Response]:
        """One request and its response.

        Raises `NetworkError`, `PolicyError` for a blocked address, and `AddressBusy`.
        """

    async def close(self) -> None:
        """Drop every connection."""


class Store(Protocol):
    """Stored responses: verified bodies under their digests, and an index of them by key.

    Every method may be called from any thread. All raise `CacheError`.
    """

    def salt(self) -> bytes:
        """Return 32 random bytes of this store, for hashes of credentials; they never leave it.

        Until a first entry is committed they belong to this object alone.
        """

    def find(
        self,
        key: Key,
        headers: tuple[tuple[str, str], ...] | None = (),
        *,
        selector: str | None = "",
        at_once: bool = False,
    ) -> Entry | None:
        """Return the entry under `key`; None where there is none, or where its bytes are gone or changed.

        Only entries of that `selector` count; where it is None, those of every selector. Returns the latest
        of the variants that fields such as `headers` select (RFC 9111 §4.1); where `headers` is None, the
        latest of all. Hashes bytes first that have not been hashed for long (`check_age`); `at_once` raises
        `CheckDueError` where they are many.
        """

    def lookup(self, keys: Sequence[Key], *, now: float) -> Lookup:
        """Return the entries under `keys` that are fresh at `now` for any request headers, as hits.

        An entry is fresh until the time that `fetch_policy.fresh_until` gives. One whose bytes stand under
        so many keys that `placeholders` may object is left out. `find` returns the same entries, and none
        under the keys that are `missing`. A key that has only entries with a selector is in neither.
        """

    def keys_sharing(self, facts: Facts) -> tuple[Key, ...]:
        """Return the keys of the bytes with these facts, in no order, and 100 of them at most."""

    def substitutes(
        self,
        offered: tuple[Rendition, ...],
        headers: tuple[tuple[str, str], ...],
        *,
        chosen: Key,
        least: int,
    ) -> Iterator[tuple[Rendition, Entry]]:
        """Yield the entries that may be used for the `chosen` rendition of the source set `offered`.

        Only entries that were committed with this very source set, and renditions that
        `renditions.substitutes` names: of the same origin, and at least `least` pixels wide, as promised and
        in fact. The narrowest comes first.
        """

    def path(self, entry: Entry) -> Path:
        """Return the path of the bytes of an entry of this store."""

    def commit(self, filings: Sequence[PendingEntry]) -> list[Entry | CacheError]:
        """Publish staged bodies under their digests, durably, then index them.

        Returns for each its entry, or why it is not stored. Spends their staging ids. An entry that depends
        on no field of the request replaces every variant under its key and selector.
        """

    def refresh(self, entry: Entry, head: Head, *, request_time: float, response_time: float) -> Entry:
        """Update an entry by the fields of a 304 (RFC 9111 §3.2)."""


class Staging(Protocol):
    """Bodies under way: written piece by piece, read once, then committed to a `Store` or discarded.

    Every method may be called from any thread. All raise `CacheError`.
    """

    def open(self) -> StagingId:
        """Return the id of a new, empty body."""

    def write(self, scratch: StagingId, chunk: bytes) -> int:
        """Append bytes to a body; return its length."""

    def read(self, scratch: StagingId) -> AbstractContextManager[tuple[Buffer, Digest]]:
        """Give a body, without a second copy in memory, and its digest."""

    def make_resumable(self, scratch: StagingId, key: Key, head: Head) -> None:
        """Record which response a body belongs to, so that it can be resumed.

        From now on it outlives its writer, for an hour or so. A staging that cannot do this does nothing.
        """

    def suspend(self, scratch: StagingId) -> None:
        """Close a body: one that is resumable for later, any other for good."""

    def resume(self, key: Key) -> Partial | None:
        """Claim a body of `key` that was suspended, or left by a writer that died; None where there is none.

        No other caller can claim it or append to it until it is suspended again. It may take a second until
        the bodies of other processes are seen.
        """

    def discard(self, scratch: StagingId) -> None:
        """Delete a body. An id that is spent or unknown is not an error."""


class Leases(Protocol):
    """Which process downloads what, so that others can wait for it. They save work, and never fail."""

    def acquire(self, key: Key, headers: tuple[tuple[str, str], ...]) -> Lease:
        """Acquire the lease of a request for `key` with these fields, or return that of its holder.

        A lease is held until it is released or the process dies. Where it cannot be known whether another
        process holds it, it is granted to all.
        """

    def release(self, lease: Lease) -> None:
        """Release a lease. That of another holder, or a released one, is not an error."""


class DecodingStopped(Exception):
    """Raised by a checkpoint when no caller waits for the result any more. A decoder lets it pass."""


Checkpoint: TypeAlias = "Callable[[], None]"
"""Returns while a caller waits for the result of a decode; raises `DecodingStopped` afterwards."""


def never_stop() -> None:
    """Let the decoder go on: the checkpoint of a decode that nothing can stop."""


Warn: TypeAlias = "Callable[[str], None]"
"""Takes a warning to give of an image that is whole: a word, a colon, and a sentence."""


def ignore_warning(warning: str) -> None:
    """Drop a warning."""


class Decoder(Protocol):
    """Decodes images, only to see whether they can be."""

    def decode(
        self,
        data: Buffer,
        format: Format,  # noqa: A002 (the field's word)
        limits: Limits,
        *,
        thorough: bool = False,
        checkpoint: Checkpoint = never_stop,
        warn: Warn = ignore_warning,
    ) -> Defect | None:
        """Decode every frame as `format` and nothing else; say what was wrong, or None.

        The caller has judged size and frames from the structure; the decoder holds to `limits` again, by
        what it sees itself. `thorough`: see what only a second decode shows. The decoder calls `checkpoint`
        as often as it can: between frames, and between the pieces of one that it decodes piece by piece. It
        lets `DecodingStopped` pass. It calls `warn` with what is odd about an image that it lets pass. Raises
        `CacheError` where nothing can be decoded here at all.
        """


class Clock(Protocol):
    """The time, waiting, and chance: the only source of any of them."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def elapsed(self) -> float:
        """Seconds on a clock that is never set."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    def chance(self) -> float:
        """A number drawn evenly from 0 to 1."""


class Executor(Protocol):
    """Runs work that would block the event loop: decoding, syncing, renaming."""

    async def run(self, work: Callable[[], T]) -> T:
        """What `work()` returns or raises, run elsewhere."""


class DecodeRunner(Executor, Protocol):
    """Runs decodes too, within a budget of memory."""

    async def decode(
        self,
        work: Callable[[Checkpoint], T],
        load: DecodeLoad,
        within: Callable[[Awaitable[T]], Awaitable[T]],
    ) -> T:
        """Run `work(checkpoint)` elsewhere once there is room for `load`; return what `within` makes of it.

        `within` awaits the work and not the wait for room. Where it is cancelled, or cancels, the work goes
        on to its next checkpoint, or to its end, and no caller waits: so it touches nothing but bytes.
        """


class Ports(NamedTuple):
    """All ports of an engine."""

    transport: Transport
    store: Store
    staging: Staging
    leases: Leases
    decoder: Decoder
    clock: Clock
    runner: DecodeRunner
