"""The cache for any httpx code."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from imgfetch.api.bounds import bounds_of, check_age_of
from imgfetch.decode.executor import ThreadExecutor
from imgfetch.decode.sandbox import SandboxedDecoder
from imgfetch.engine.verification import conclude, decode, inspect
from imgfetch.errors import InputError, several
from imgfetch.model.image import Defect, Facts, Format, Requirements, Verified, VerifyLevel
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind
from imgfetch.rules.image import verify as verification
from imgfetch.rules.store.check_age import CHECK_AGE
from imgfetch.store.disk_store import DiskStore
from imgfetch.system.clock import SystemClock
from imgfetch.transports.caching import CachingLayer
from imgfetch.transports.pooled import PooledTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection
    from pathlib import Path

    import httpx

    from imgfetch.model.values import Buffer, Digest, StagingId
    from imgfetch.ports import Clock
    from imgfetch.transports.caching import Prove


class CachingTransport(CachingLayer):
    """An `httpx.AsyncBaseTransport` that gives any httpx code this cache (RFC 9111, private). Needs asyncio.

    `verify` is how much is proved before a body is kept: at `full` and `structure` whole images are kept,
    and everything else passes through; `none` keeps any body of any status that the standard lets a cache
    keep. `transport` is what requests go out by: `GuardedTransport(allow_hosts)` where none is given, which
    contacts no internal host that `allow_hosts` does not name. `limits` bound what is kept, not what passes;
    `max_cache` and `max_age` bound the cache as those of `Client` do, and `check_age`, `key_ignore` and
    `sandbox` are those of `Client`. Every other parameter of a query tells one response from another; with
    `ignore_signatures`, those of known signatures do not (docs/caching.md). `clock` is for tests.

    `response.extensions["imgfetch"]` tells the `origin` of the body and, once it has been read, the `path`
    of the object.
    """

    def __init__(
        self,
        cache: str | Path = "cache",
        *,
        verify: VerifyLevel | str = VerifyLevel.FULL,
        transport: httpx.AsyncBaseTransport | None = None,
        allow_hosts: Collection[str] = (),
        limits: Limits | None = None,
        key_ignore: Collection[str] = (),
        ignore_signatures: bool = False,
        clock: Clock | None = None,
        max_cache: int | None = None,
        max_age: float | None = None,
        check_age: float = CHECK_AGE,
        sandbox: bool = False,
    ) -> None:
        if transport is not None and allow_hosts:
            raise InputError(ErrorKind.BAD_INPUT, "a transport dials for itself; give allow_hosts to it")
        level, limits = VerifyLevel(verify), limits or Limits()
        self._threads = ThreadExecutor(limits.decode_memory)
        self._sandbox = SandboxedDecoder(limits) if sandbox else None
        image = _image(level, limits, self._sandbox, self._threads)
        super().__init__(
            store=DiskStore(cache, bounds=bounds_of(max_cache, max_age), check_age=check_age_of(check_age)),
            transport=transport or PooledTransport(allow_hosts),
            clock=clock or SystemClock(),
            runner=self._threads,
            prove=_anything(image) if level is VerifyLevel.NONE else image,
            level=level,
            max_bytes=limits.max_bytes,
            key_ignore=several(key_ignore, "key_ignore"),
            ignore_signatures=ignore_signatures,
        )

    async def aclose(self) -> None:
        """End what goes on in the background, close the transport within, let go of the cache."""
        try:
            await super().aclose()
        finally:
            await asyncio.to_thread(self._threads.close)  # it waits for disk work
            if self._sandbox is not None:
                self._sandbox.close()


_Decoded: TypeAlias = "Defect | tuple[str, ...]"


def _image(
    level: VerifyLevel, limits: Limits, sandbox: SandboxedDecoder | None, runner: ThreadExecutor
) -> Prove:
    from imgfetch.decode.pillow import PillowDecoder

    decoder, wanted = sandbox or PillowDecoder(), Requirements(level)

    async def within(work: Awaitable[_Decoded]) -> _Decoded:
        try:
            async with asyncio.timeout(limits.total_timeout):
                return await work
        except TimeoutError:
            late = f"the image was not decoded within the time limit of {limits.total_timeout:g} s"
            return Defect(ErrorKind.TIMEOUT, late, "total_timeout")

    async def proof(
        data: Buffer, digest: Digest, scratch: StagingId, length: int | None
    ) -> Verified | Defect:
        look = partial(inspect, data, digest, length=length, wanted=wanted, limits=limits)
        inspected = look() if verification.is_quick(len(data)) else await runner.run(look)
        if isinstance(inspected, Defect):
            return inspected
        decoded: _Decoded = ()
        if inspected.load is not None:
            work = partial(decode, data, inspected, wanted, limits, decoder)
            decoded = await runner.decode(work, inspected.load, within)
        return decoded if isinstance(decoded, Defect) else conclude(inspected, decoded, scratch, wanted)

    return proof


def _anything(image: Prove) -> Prove:
    """Whatever it is, if it is all there; an image goes under the name it would have been given anyway."""

    async def proof(
        data: Buffer, digest: Digest, scratch: StagingId, length: int | None
    ) -> Verified | Defect:
        proved = await image(data, digest, scratch, length)
        if isinstance(proved, Verified) or proved.kind is ErrorKind.INCOMPLETE:
            return proved
        facts = Facts(Format.OTHER, 0, 0, 0, len(data), digest, ())
        return verification.check(facts, scratch, Requirements(VerifyLevel.NONE))

    return proof
