"""The cache for any httpx program."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from imgfetch.api.arguments import bounds_of, check_age_of
from imgfetch.decode.decode_executor import DecodeExecutor
from imgfetch.decode.extra_decoder import sandboxed
from imgfetch.decode.extras import end_processes
from imgfetch.decode.pillow import PillowDecoder
from imgfetch.engine.limits.time_budget import TimeBudget
from imgfetch.engine.verification import Verifier
from imgfetch.errors import InputError, NetworkError, several
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
    from collections.abc import Collection
    from pathlib import Path

    from imgfetch.model.values import StagingId
    from imgfetch.ports import Clock, Staging
    from imgfetch.transports.caching import Verify
    from imgfetch.transports.foreign import AsyncTransport


class CachingTransport(CachingLayer):
    """A transport that gives this cache to `httpx.AsyncClient` or `httpx.Client` (RFC 9111, private).

    `verify` is how much is checked before a body is stored: at `full` and `structure` whole images are
    stored, and everything else passes through; `none` stores any body of any status that the standard lets
    a cache store. `transport` sends the requests: `PooledTransport(allow_hosts)` where none is given, which
    contacts no internal host that `allow_hosts` does not name. It is asynchronous, for `httpx.Client` too,
    or of another library with the methods of httpx's. `limits` bound what is stored, not what passes;
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
        transport: AsyncTransport | None = None,
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
            raise InputError(ErrorKind.BAD_INPUT, "a transport connects by itself; give allow_hosts to it")
        level, limits = VerifyLevel(verify), limits or Limits()
        self._threads = DecodeExecutor(limits.decode_memory)
        self._sandbox = sandboxed(limits) if sandbox else None
        clock = clock or SystemClock()
        store = DiskStore(cache, bounds=bounds_of(max_cache, max_age), check_age=check_age_of(check_age))
        verifier = Verifier(store.staging, self._sandbox or PillowDecoder(), self._threads, limits)
        image = _verify_images(verifier, Requirements(level), limits, clock)
        super().__init__(
            store=store,
            transport=transport or PooledTransport(allow_hosts),
            clock=clock,
            runner=self._threads,
            verify=_verify_anything(image, store.staging) if level is VerifyLevel.NONE else image,
            level=level,
            max_bytes=limits.max_bytes,
            key_ignore=several(key_ignore, "key_ignore"),
            ignore_signatures=ignore_signatures,
        )

    async def aclose(self) -> None:
        """End work in the background, close the inner transport and the cache."""
        try:
            await super().aclose()
        finally:
            await asyncio.to_thread(self._threads.close)  # it waits for disk work
            end_processes()
            if self._sandbox is not None:
                self._sandbox.close()


def _verify_images(verifier: Verifier, wanted: Requirements, limits: Limits, clock: Clock) -> Verify:
    async def verify(staging_id: StagingId, length: int | None) -> Verified | Defect:
        budget = TimeBudget(limits.total_timeout, clock)
        try:
            return await verifier.verify(staging_id, wanted, budget, length=length)
        except NetworkError as error:  # the decode took too long
            return Defect(error.kind, error.message, error.limit)

    return verify


def _verify_anything(verify_image: Verify, staging: Staging) -> Verify:
    """Accept any whole body; an image still gets the name that its format gives it."""

    async def verify(staging_id: StagingId, length: int | None) -> Verified | Defect:
        verified = await verify_image(staging_id, length)
        if isinstance(verified, Verified) or verified.kind is ErrorKind.INCOMPLETE:
            return verified
        with staging.read(staging_id) as (data, digest):
            facts = Facts(Format.OTHER, 0, 0, 0, len(data), digest, ())
        return verification.check(facts, staging_id, Requirements(VerifyLevel.NONE))

    return verify
