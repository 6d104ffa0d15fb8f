"""The cache as a thing to look at and look after, apart from any fetch."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import imgfetch
from imgfetch.api.arguments import bounds_of, headers_of, secrets_of
from imgfetch.api.normalize import spelled
from imgfetch.engine.lookup import find
from imgfetch.errors import CacheError, InputError, several
from imgfetch.model.image import Defect, Format, Requirements, VerifyLevel
from imgfetch.model.markup import Candidate, SourceSet
from imgfetch.model.request import NO_SECRETS, Limits, Settings
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.model.values import Key
from imgfetch.redaction import redacted_repr
from imgfetch.rules.http import credentials, urls, vary
from imgfetch.rules.http.signed_urls import may_want_a_signature
from imgfetch.rules.policy.explain import explain
from imgfetch.rules.policy.fetch_policy import Reject, fetch_of
from imgfetch.rules.store.eviction import IN_USE
from imgfetch.store.disk_store import DiskStore
from imgfetch.system.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from http.cookiejar import CookieJar
    from pathlib import Path

    from imgfetch.api.client import Client
    from imgfetch.api.results import Image
    from imgfetch.model.image import Entry, Verified
    from imgfetch.model.markup import Rendition
    from imgfetch.model.values import Buffer, Digest
    from imgfetch.ports import Decoder
    from imgfetch.rules.policy.explain import Explanation
    from imgfetch.store.maintenance import Pruned, Stats
    from imgfetch.store.object_checks import Checked

Prove: TypeAlias = "Callable[[Buffer, Digest], Verified | Defect]"


class Verdict(NamedTuple):
    """The result of `Cache.verify` for one file."""

    path: Path
    """The path of the file now: damaged files are moved to quarantine, if that can be written."""
    problem: str | None
    """The damage, or None."""
    urls: tuple[str, ...] = ()
    """The URLs of a damaged file."""
    repaired: tuple[Image | Failure, ...] = ()
    """The outcomes of fetching these again, one for each."""
    indexed: bool = True
    """Whether the index has it; a process that was killed may have left a file that the index has not."""

    def __repr__(self) -> str:
        return redacted_repr(self, self._fields)


class Cache:
    """The cache in a directory. Raises `CacheError` where that is not a cache, or cannot be read.

    `key_ignore` is that of the `Client` which fills it.
    """

    def __init__(self, path: str | Path = "cache", *, key_ignore: Collection[str] = ()) -> None:
        self._store = DiskStore(path)
        self._key_ignore = several(key_ignore, "key_ignore")

    @property
    def path(self) -> Path:
        """The directory, absolute."""
        return self._store.root

    def exists(self) -> bool:
        """Return whether there is a cache; before the first fetch, its directory is missing or empty."""
        return self._store.exists()

    def entries(self) -> Iterator[Entry]:
        """Yield every rendition by its URL, oldest first; several URLs may have the same bytes."""
        return self._store.entries()

    def pins(self) -> frozenset[str]:
        """Return every URL that is pinned, as the `key` of its entries."""
        return frozenset(self._store.pins())

    def find(self, url: str) -> Entry | None:
        """Return the entry of a URL, whole on disk, the latest of several variants; None without one."""
        key = self._key(url)
        return None if key is None else self._store.find(key, None, selector=None)

    def _key(self, url: str) -> Key | None:
        """Return the key of a URL, or a key as `entries` has it; None for any other text."""
        if url.startswith("ni:"):  # an image that its source held has the key of its digest
            return Key(url)
        return urls.key(spelled(url), self._key_ignore)

    def explain(
        self,
        url: str,
        *,
        headers: Mapping[str, str | Mapping[str, str]] | None = None,
        cookies: str | Path | CookieJar | None = None,
        netrc: bool | str | Path = False,
    ) -> Explanation:
        """Say what a `get` of a URL would do now, and why.

        `headers`, `cookies` and `netrc` are those of the client.
        Raises `InputError` for what is not a URL.
        """
        own, for_origins = headers_of(headers or {})
        sent_cookies, passwords, _ = secrets_of(cookies, netrc)
        settings = Settings(
            user_agent=f"imgfetch/{imgfetch.__version__}",
            key_ignore=self._key_ignore,
            headers=own,
            headers_for=for_origins,
            cookies=sent_cookies,
            netrc=passwords,
        )
        url = spelled(url)
        source_origin = credentials.source_origin_of(url)
        fetch = fetch_of(url, Requirements(settings.level), settings, source_origin=source_origin)
        if isinstance(fetch, Reject):
            raise InputError(ErrorKind.BAD_INPUT, fetch.failed.message, urls.redact(url))
        entry = find(fetch, self._store, settings)
        explained = explain(url, entry, settings, now=SystemClock().now(), source_origin=source_origin)
        other = self._store.find(fetch.key, None, selector=None) if entry is None else None
        if other is None:
            return explained
        given = other.selector or fetch.secrets != NO_SECRETS
        why = "with other credentials" if given else f"with other fields (Vary: {_varying(other)})"
        return explained._replace(why=f"the stored response is for requests {why}")

    def renditions(self, url: str) -> tuple[Rendition, ...]:
        """Return the cached renditions of the source set that `url` was last fetched for, narrowest first.

        Each has its real width; `url` is among them. None are returned where it was fetched alone.
        """
        key = self._key(url)
        return () if key is None else self._store.renditions(key)

    def path_of(self, entry: Entry) -> Path:
        """Return the path of the file of an entry."""
        return self._store.path(entry)

    def remove(self, url: str) -> bool:
        """Remove the entries of a URL; return whether there was one."""
        key = self._key(url)
        return key is not None and self._store.remove(key)

    def pin(self, url: str) -> bool:
        """Never evict the images of a URL, now or later; return False where there is none."""
        key = self._key(url)
        return key is not None and self._store.pin(key)

    def unpin(self, url: str) -> bool:
        """Allow the images of a URL to be evicted again; return whether it was pinned."""
        key = self._key(url)
        return key is not None and self._store.unpin(key)

    def stats(self) -> Stats:
        """Count entries, objects and bytes."""
        return self._store.stats()

    def prune(
        self,
        max_bytes: int | None = None,
        max_age: float | None = None,
        *,
        grace: float = IN_USE,
        dry_run: bool = False,
    ) -> Pruned:
        """Evict what was not used for longest, until no more than `max_bytes` are left, none past `max_age`.

        `max_age` counts seconds since the last use. Images with a stored use in the last `grace`
        seconds, and pinned ones, are protected. Without limits nothing is evicted. Leftovers are deleted in
        any case: objects that the index does not know, abandoned downloads, old quarantine, and parts of
        older versions. `dry_run` deletes nothing.
        """
        return self._store.prune(bounds_of(max_bytes, max_age), grace=grace, dry_run=dry_run)

    def verify(
        self, *, deep: bool = False, repair: Client | None = None, sandbox: bool = False
    ) -> Iterator[Verdict]:
        """Check every file against its name, its structure, the index; `deep` decodes every frame too.

        With `sandbox` it does so in separate processes, for a cache that other users may have written. An
        image beyond their limits counts as damaged then. They have memory for 500 million pixels.

        A damaged file is moved to quarantine with the reason, so that it is never handed out again. With a
        `repair`, which must be a client on the same directory, what was damaged is fetched again at the end,
        by the keys it was kept under, and the client is closed; that blocks. Raises `InputError` where it
        cannot.
        """
        if repair is not None:
            self._check_client(repair)
        damaged = []
        wanted = Requirements(VerifyLevel.FULL if deep else VerifyLevel.STRUCTURE)
        with _proving(wanted, sandbox=sandbox) as prove:
            for checked in self._store.verify(deep=True):
                verdict = self._judged(checked, prove)
                if verdict.problem is not None and repair is not None:
                    damaged.append(verdict)
                else:
                    yield verdict
        if repair is not None:
            self._store.close()
            yield from _repaired(damaged, repair)

    def close(self) -> None:
        """Close the files of the cache."""
        self._store.close()

    def _check_client(self, client: Client) -> None:
        if client.cache != self.path:
            raise InputError(ErrorKind.BAD_INPUT, f"a client on {client.cache} cannot repair {self.path}")
        import asyncio

        with suppress(RuntimeError):
            asyncio.get_running_loop()
            raise InputError(
                ErrorKind.BAD_INPUT, "repairing blocks, and an event loop is running; use a thread"
            )

    def _judged(self, checked: Checked, prove: Prove) -> Verdict:
        problem = checked.problem or _look(checked, prove)
        if problem is None:
            return Verdict(checked.path, None, indexed=checked.indexed)
        known = () if checked.expected is None else tuple(self._store.keys_of(checked.expected))
        return Verdict(self._set_aside(checked, problem), problem, known, indexed=checked.indexed)

    def _set_aside(self, checked: Checked, problem: str) -> Path:
        """Move a damaged file to quarantine and return its path. One that could not be read stays."""
        with suppress(CacheError):  # a cache that cannot be written is reported on all the same
            if checked.actual is not None:
                return self._store.quarantine(checked.path, problem)
            if checked.expected is not None and not checked.path.exists():
                self._store.forget(checked.expected)
        return checked.path


def _varying(entry: Entry) -> str:
    return ", ".join(vary.varying(entry.head))


@contextmanager
def _proving(wanted: Requirements, *, sandbox: bool) -> Iterator[Prove]:
    """Prove bytes with one decoder, in a thread of its own: this one can act on a signal within a frame.

    One image at a time, and with no bound of memory: what needs more than a budget has is not damaged.
    """
    from imgfetch.engine.verification import verify_bytes

    with ExitStack() as stack:
        decoder = stack.enter_context(_decoding(sandbox=sandbox))
        unlimited = lambda *_: nullcontext()  # noqa: E731
        common = partial(verify_bytes, wanted=wanted, limits=_UNBOUNDED, decoder=decoder, memory=unlimited)
        if not wanted.level.decodes:
            yield common
            return
        from imgfetch.decode.decode_executor import DecodeThread

        thread = stack.enter_context(closing(DecodeThread()))

        def apart(data: Buffer, digest: Digest) -> Verified | Defect:
            proved = thread.run(lambda checkpoint: common(data, digest, checkpoint=checkpoint))
            assert proved is not None  # noqa: S101 (it was waited for)
            return proved

        yield apart


@contextmanager
def _decoding(*, sandbox: bool) -> Iterator[Decoder]:
    if sandbox:
        from imgfetch.decode.extra_decoder import sandboxed

        with closing(sandboxed(_ROOMY)) as decoder:
            yield decoder
    else:
        from imgfetch.decode.pillow import PillowDecoder

        yield PillowDecoder()
    from imgfetch.decode.extras import end_processes

    end_processes()


def _look(checked: Checked, prove: Prove) -> str | None:
    """Return the damage of a file with the digest of its name, or None."""
    assert checked.actual is not None  # noqa: S101 (it was hashed, or there is a problem)
    if checked.path.suffix == f".{Format.OTHER.extension}":
        return None  # `CachingTransport` stores any bytes as this
    proved = prove(checked.path.read_bytes(), checked.actual)
    if isinstance(proved, Defect):
        return proved.message
    seen = proved.facts.format
    return None if checked.path.suffix == f".{seen.extension}" else f"it is of format {seen}"


def _repaired(damaged: list[Verdict], client: Client) -> Iterator[Verdict]:
    """Fetch the URLs of damaged files again; yield the verdicts with the outcomes."""
    import asyncio

    wanted = [SourceSet((Candidate(url),)) for verdict in damaged for url in verdict.urls]
    came: list[Image | Failure | None] = [None] * len(wanted)

    async def fetch() -> None:
        async with client:
            async for outcome in client.get_many(wanted):
                came[outcome.index] = _with_hint(outcome) if isinstance(outcome, Failure) else outcome

    unusable: Failure | None = None
    if wanted:
        try:
            asyncio.run(fetch())
        except CacheError as error:  # it can be looked at, and not be written
            unusable = error.failed()
    number = 0
    for verdict in damaged:
        end = number + len(verdict.urls)
        outcomes = (outcome or unusable for outcome in came[number:end])
        yield verdict._replace(repaired=tuple(outcome for outcome in outcomes if outcome is not None))
        number = end


def _with_hint(failure: Failure) -> Failure:
    """Add a hint where the URL may have been signed: signatures are not stored."""
    if not may_want_a_signature(failure.http_status):
        return failure
    return failure._replace(hint="if its URL was signed, fetch it again from the page it is on")


_UNBOUNDED = Limits(max_pixels=2**40, max_total_pixels=2**50, max_frames=2**30, decode_memory=2**60)
"""An image that was stored under other limits is not damaged."""

_ROOMY = Limits(max_pixels=500_000_000, max_total_pixels=10_000_000_000, decode_memory=8_000_000_000)
"""A sandbox has memory for so much."""
