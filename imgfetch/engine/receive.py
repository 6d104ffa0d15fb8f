"""A response body on its way into staging: bounded, and resumable where it breaks off.

chunk ─▶ content coding removed ─▶ staging ─▶ is it resumable from here? ─▶ is it fast enough?
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from imgfetch.engine.events import BytesReceived
from imgfetch.engine.lookup import selector_of
from imgfetch.errors import ImgfetchError
from imgfetch.model.image import Defect
from imgfetch.model.request import NO_SECRETS
from imgfetch.model.values import Key
from imgfetch.rules.crawl.min_speed import MinimumSpeed
from imgfetch.rules.http import resume, stored_headers
from imgfetch.rules.http.content_coding import Decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.engine.events import Event
    from imgfetch.model.request import Fetch, Limits, Partial
    from imgfetch.model.values import StagingId
    from imgfetch.ports import Ports, Response
    from imgfetch.rules.policy.response_policy import ReadBody


async def beginning_of(response: Response, most: int) -> bytes:
    """Return the first bytes of an error body: what comes of it without an error in a second or so."""
    data = bytearray()
    with suppress(ImgfetchError, TimeoutError):
        async with asyncio.timeout(_LONGEST_WAIT):
            async for chunk in response.body():
                data += chunk
                if len(data) >= most:
                    break
    return bytes(data[:most])


_LONGEST_WAIT = 1.5
"""Seconds that an error body may take: it is only read to be shown."""


class BodyReceiver:
    """Writes response bodies to staging."""

    def __init__(self, ports: Ports, limits: Limits, observe: Callable[[Event], None]) -> None:
        self._store = ports.store
        self._staging = ports.staging
        self._clock = ports.clock
        self._limits = limits
        self._observe = observe

    def resume(self, fetch: Fetch) -> Partial | None:
        """Claim the partial body of an earlier attempt at this request, if there is one."""
        return self._staging.resume(self._partial_key(fetch))

    def forget(self, fetch: Fetch) -> None:
        """Drop the partial body of this request, unless a later run can resume it."""
        if not self._store.is_durable:
            self._staging.forget(self._partial_key(fetch))

    async def receive(self, response: Response, how: ReadBody, fetch: Fetch) -> StagingId | Defect:
        """Write a whole body to staging; return its id, or what is wrong with it.

        A body that breaks off is suspended, to be resumed by a later attempt. Raises `NetworkError` and
        `CacheError`.
        """
        resumed = how.first_part.length if how.first_part else 0
        decoder = Decoder(how.coding, limit=self._limits.max_bytes, taken=resumed)
        speed = MinimumSpeed(self._limits, now=self._clock.elapsed())
        staging_id = self._open(how, fetch)
        is_whole = is_resumable = False
        try:
            async for chunk in response.body():
                self._observe(BytesReceived(len(chunk)))
                piece = decoder.feed(chunk)
                if isinstance(piece, Defect):
                    self._staging.discard(staging_id)
                    return piece
                received = self._staging.write(staging_id, piece)
                if not is_resumable and resume.is_worth_keeping(response.head, received):
                    head = stored_headers.storable(response.head, fetch.resource)
                    self._staging.make_resumable(staging_id, self._partial_key(fetch), head)
                    is_resumable = True
                slow = speed.feed(len(chunk), now=self._clock.elapsed())
                if slow is not None:
                    return slow
            cut = decoder.end()
            if cut is not None:
                self._staging.discard(staging_id)
                return cut
            is_whole = True
            return staging_id
        finally:
            if not is_whole:
                self._staging.suspend(staging_id)

    def _open(self, how: ReadBody, fetch: Fetch) -> StagingId:
        """Return the id of the partial body that this one continues, or of a new one."""
        if how.first_part is not None:
            return how.first_part.staging_id
        if fetch.partial is not None:
            self._staging.discard(fetch.partial.staging_id)
        return self._staging.open()

    def _partial_key(self, fetch: Fetch) -> Key:
        """Return the key of a partial body; one begun with credentials is resumed with them alone."""
        if fetch.secrets == NO_SECRETS:
            return fetch.key
        return Key(f"{fetch.key} {selector_of(fetch, self._store)}")
