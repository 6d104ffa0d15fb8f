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
    """Keeps verified bytes under the name their digest gives them, and an index of who asked for them.

    Every method may be called from any thread. All raise `CacheError`.
    """

    def salt(self) -> bytes:
        """Return 32 random bytes that are this cache's own, for hashes of credentials; they never leave it.

        Until something is kept they are those of this store alone. Raises `CacheError`.
        """

    def find(
        self,
        key: Key,
        headers: tuple[tuple[str, str], ...] | None = (),
        *,
        selector: str | None = "",
        at_once: bool = False,
    ) -> Entry | None:
        """What is kept under `key`; None where nothing is, or where the bytes are gone or changed.

        Only entries of that `selector` count; where it is None, those of every selector. Of several variants
        the latest that fields such as `headers` would select (RFC 9111 §4.1); where `headers` is None, the
        latest. Bytes that have not been hashed for long (`check_age`) are hashed first; `at_once` raises
        `CheckDueError` where they are many.
        """

    def lookup(self, keys: Sequence[Key], *, now: float) -> Lookup:
        """Of what is kept under `keys`, all that answers at `now` whatever it is asked with.

        That is, until the time that `fetch_policy.fresh_until` gives, and where the same bytes are not kept
        so often that `placeholders` might mind. Of these `find` gives the same, and of what is absent
        nothing, whatever it is given. What has a selector is neither.
        """

    @staticmethod
    def entry_of(record: tuple[object, ...]) -> Entry:
        """The entry of what `look_at` saw, whatever has become of it since. Never fails."""

    def keys_sharing(self, facts: Facts) -> tuple[Key, ...]:
        """The keys under which the bytes with these facts are kept, in no order, and 100 of them at most."""

    def substitutes(
        self,
        offered: tuple[Rendition, ...],
        headers: tuple[tuple[str, str], ...],
        *,
        chosen: Key,
        least: int,
    ) -> Iterator[tuple[Rendition, Entry]]:
        """Yield what is kept of the source set that is `offered`, and may stand for the `chosen` one.

        Only what was handed to `keep_all` with this very source set, and what `renditions.substitutes`
        names: of the same origin, at least so many pixels wide, as promised and in fact, the narrowest first.
        """

    def path(self, entry: Entry) -> Path:
        """Where the bytes of an entry found or kept by this store lie."""

    def open(self) -> StagingId:
        """A ticket for new bytes, private to the caller."""

    def write(self, scratch: StagingId, chunk: bytes) -> int:
        """Add bytes behind a ticket, and say how many there are now."""

    def read(self, scratch: StagingId) -> AbstractContextManager[tuple[Buffer, Digest]]:
        """All bytes behind a ticket, in memory no second time, and their digest."""

    def commit(self, filings: Sequence[PendingEntry]) -> list[Entry | CacheError]:
        """Make bytes visible under their digests, durably, then index them; or say why some are not kept.

        Spends their tickets. An entry that depends on no field of the request takes the place of every
        variant under its key and selector.
        """

    def refresh(self, entry: Entry, head: Head, *, request_time: float, response_time: float) -> Entry:
        """Take the fields of a 304 into a kept entry (RFC 9111 §3.2)."""

    def make_resumable(self, scratch: StagingId, key: Key, head: Head) -> None:
        """Note of what the bytes behind a ticket are the beginning, so that they can be gone on with.

        From now on they outlive their writer, for an hour or so. A store that cannot do this does nothing.
        """

    def suspend(self, scratch: StagingId) -> None:
        """Let go of a ticket: of bytes that are marked for another time, of others for good."""

    def resume(self, key: Key) -> Partial | None:
        """Claim what was begun of `key` and suspended, or left by a writer that died; None where nothing is.

        Nobody else can claim it, nor append to it, until it is suspended again. What other processes leave
        may be seen a second later.
        """

    def discard(self, scratch: StagingId) -> None:
        """Forget a ticket and its bytes. A spent or unknown ticket is no error."""

    def acquire(self, key: Key, headers: tuple[tuple[str, str], ...]) -> Lease:
        """Be the one that fetches `key` with such fields, or hear who is, in this process or another.

        Ours until it is released, or we die. It only saves work, and never fails: a store that cannot tell
        who else is fetching grants it to all.
        """

    def release(self, lease: Lease) -> None:
        """Let go of a lease. Another's, or one let go of already, is no error."""

    def close(self) -> None:
        """Let go of files and leases; tickets not kept are suspended."""


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
    """All of them: what an engine is given of the world."""

    transport: Transport
    store: Store
    decoder: Decoder
    clock: Clock
    runner: DecodeRunner
