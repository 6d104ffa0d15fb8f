"""Ports: the protocols by which the engine reaches network, disk, decoders and time, in the model's values.

Each is small enough to be faked in a page (`tests/fakes.py`). An implementation translates the
exceptions of its library into `imgfetch.errors`, with the cause, and raises no other.
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
    """A response: its head has been received, its body has not."""

    @property
    def head(self) -> Head:
        """The head of the final response; interim responses (1xx) are skipped."""

    def body(self) -> AsyncIterator[bytes]:
        """Yield the body as the origin sent it, with its content coding, in pieces of at most 64 KiB or so.

        Ends only where the message framing says that the body is whole; raises `NetworkError` otherwise.
        """


class AddressBusy(Exception):
    """The address that a request leads to has as many connections as it may have: nothing was sent.

    Release what other requests could use, `wait`, and send again. However that ends, call `pass_on`.
    """

    async def wait(self) -> None:
        """Wait until the address may have another connection."""
        raise NotImplementedError

    def pass_on(self) -> None:
        """Let another waiting request have the connection, if this one did not use it."""
        raise NotImplementedError


class Transport(Protocol):
    """Sends HTTP requests: no redirects, no cookies, no retries, and no connection to a blocked address."""

    def send(self, request: Request) -> AbstractAsyncContextManager[Response]:
        """Send one request, and give its response for the block.

        Raises `NetworkError`, `PolicyError` for a blocked address, and `AddressBusy`.
        """

    async def close(self) -> None:
        """Drop every connection."""


class Store(Protocol):
    """Stored responses: verified bodies under their digests, and an index of them by key.

    Every method may be called from any thread. All raise `CacheError`.
    """

    @property
    def is_durable(self) -> bool:
        """True if `commit` waits for a disk: it is called in a thread, with several bodies together."""

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

        An entry is fresh until the time that `stored_response.fresh_until` gives. It is left out where its
        bytes stand under so many keys that `placeholders` may object. `find` returns the same entries, and
        none under the keys that are `missing`. A key that has only entries with a selector is in neither.
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

    def content(self, entry: Entry) -> Path | bytes:
        """Return the bytes of an entry of this store, or the path of the file that has them."""

    def commit(self, pending: Sequence[PendingEntry]) -> list[Entry | CacheError]:
        """Publish staged bodies under their digests, durably, then index them.

        Returns for each its entry, or why it is not stored. Spends their staging ids. An entry that depends
        on no field of the request replaces every variant under its key and selector.
        """

    def refresh(self, entry: Entry, *, fresh_until: float | None) -> None:
        """Replace the head and the times of a stored response, if its key still has the same bytes.

        `entry` has the fields of a 304 already (RFC 9111 §3.2); `fresh_until` is that of `PendingEntry`.
        """


class Staging(Protocol):
    """Bodies under way: written piece by piece, read once, then committed to a `Store` or discarded.

    Every method may be called from any thread. All raise `CacheError`.
    """

    def open(self) -> StagingId:
        """Return the id of a new, empty body."""

    def write(self, staging_id: StagingId, chunk: bytes) -> int:
        """Append bytes to a body; return its length."""

    def read(self, staging_id: StagingId) -> AbstractContextManager[tuple[Buffer, Digest]]:
        """Give a body, without a second copy in memory, and its digest."""

    def make_resumable(self, staging_id: StagingId, key: Key, head: Head) -> None:
        """Record which response a body belongs to, so that it can be resumed.

        From now on it outlives its writer, for an hour or so. A staging that cannot do this does nothing.
        """

    def suspend(self, staging_id: StagingId) -> None:
        """Close a body: one that is resumable for later, any other for good."""

    def resume(self, key: Key) -> Partial | None:
        """Claim a body of `key` that was suspended, or left by a writer that died; None where there is none.

        No other caller can claim it or append to it until it is suspended again. It may take a second until
        the bodies of other processes are seen.
        """

    def forget(self, key: Key) -> None:
        """Drop the suspended body of `key` where it would not outlive this process."""

    def discard(self, staging_id: StagingId) -> None:
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
    """Raised by a checkpoint when no caller waits for the result any more. A decoder lets it through."""


Checkpoint: TypeAlias = "Callable[[], None]"
"""A function that returns while a caller waits for a decode, and raises `DecodingStopped` afterwards."""


def never_stop() -> None:
    """Return: the checkpoint of a decode that is never stopped."""


Warn: TypeAlias = "Callable[[str], None]"
"""A function that receives a warning about a whole image: a word, a colon, and a sentence."""


def ignore_warning(warning: str) -> None:
    """Drop a warning."""


class Decoder(Protocol):
    """Decodes images to check them; the pixels are dropped."""

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
        """Decode every frame as `format` and nothing else; return what is wrong, or None.

        The caller has checked size and frames by the structure; the decoder applies `limits` again, to what
        it decodes. `thorough` also finds what only a second decode shows. The decoder calls `checkpoint` as
        often as it can: between frames, and between the pieces of a frame. It lets `DecodingStopped` through.
        It calls `warn` with what is odd about an image that passes. Raises `CacheError` where no image can be
        decoded on this system.
        """

    def lack(self, form: Format) -> Defect | None:
        """Return the defect of every image of a format that cannot be decoded here; None if it can be."""


class Clock(Protocol):
    """The only source of time, waiting and chance."""

    def now(self) -> float:
        """Return the seconds since the epoch."""

    def elapsed(self) -> float:
        """Return the seconds on a clock that is never set."""

    async def sleep(self, seconds: float) -> None:
        """Sleep."""

    def chance(self) -> float:
        """Return a number drawn evenly from 0 to 1."""


class Executor(Protocol):
    """Runs work that would block the event loop: decoding, syncing, renaming."""

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in another thread; return or raise what it does."""


class DecodeRunner(Executor, Protocol):
    """Runs decodes too, within a budget of memory."""

    async def decode(
        self,
        work: Callable[[Checkpoint], T],
        load: DecodeLoad,
        within: Callable[[Awaitable[T]], Awaitable[T]],
    ) -> T:
        """Run `work(checkpoint)` in another thread, once there is memory for `load`; await it by `within`.

        `within` limits the work, and not the wait for memory. Where it is cancelled, or cancels, the work
        goes on to its next checkpoint, or to its end, and no caller waits: so it uses nothing but bytes.
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
