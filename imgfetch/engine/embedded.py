"""Images that their source holds: `data:` URLs, parts of mails, files of books, records of archives.

    body ─▶ stored and verified? ──yes──▶ Fetched
                 └──no──▶ staging ─▶ verification ─▶ commit ─▶ Fetched │ Failure

No request is sent, and no slot, lease or retry is needed.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.engine.download import Fetched
from imgfetch.errors import ImgfetchError
from imgfetch.model.image import Defect, PendingEntry
from imgfetch.model.request import Head
from imgfetch.model.result import CacheStatus, ErrorKind, Failure
from imgfetch.model.values import Digest
from imgfetch.rules.crawl import opt_out
from imgfetch.rules.image import embedded
from imgfetch.rules.policy import fetch_policy, retry

if TYPE_CHECKING:
    from imgfetch.engine.limits.time_budget import TimeBudget
    from imgfetch.engine.storing import Storing
    from imgfetch.model.image import Requirements
    from imgfetch.model.markup import EmbeddedBody
    from imgfetch.model.request import Settings
    from imgfetch.model.values import StagingId
    from imgfetch.ports import Ports


class _Staged(NamedTuple):
    """A body in staging."""

    staging_id: StagingId
    sha256: Digest


class EmbeddedBodies:
    """Verifies embedded bodies, and commits them."""

    def __init__(self, ports: Ports, settings: Settings, storing: Storing) -> None:
        self._store = ports.store
        self._staging = ports.staging
        self._clock = ports.clock
        self._runner = ports.runner
        self._settings = settings
        self._storing = storing

    async def keep(self, body: EmbeddedBody, wanted: Requirements, budget: TimeBudget) -> Fetched | Failure:
        """Store a body if it is one whole image, as `wanted`; find the bytes that are stored already."""
        robots = self._settings.robots
        directive = opt_out.in_head(Head(body.url, 200, body.headers), robots) if robots else None
        if directive is not None:
            return retry.opted_out(directive, body.url)
        try:
            found = await self._runner.run(partial(self._find_or_stage, body, wanted))
            if isinstance(found, _Staged):
                found = await self._verify_and_commit(found, body, wanted, budget)
        except ImgfetchError as error:
            return retry.failure_of(error, body.url)
        if isinstance(found, Defect):
            return retry.failure_of_bytes(found, body.url)._replace(retryable=False)
        return found

    def _find_or_stage(self, body: EmbeddedBody, wanted: Requirements) -> Fetched | _Staged | Defect:
        """Decode a body; find its bytes in the store, or write them to staging."""
        most = self._settings.limits.max_bytes
        data = body.read(most)
        if isinstance(data, Defect):
            return data
        if not data:
            return Defect(ErrorKind.EMPTY, "the body is empty")
        if len(data) > most:
            return Defect(ErrorKind.TOO_LARGE, f"more than {most:,} bytes", "max_bytes")
        sha256 = Digest(hashlib.sha256(data).hexdigest())
        entry = self._store.find(embedded.key(sha256))
        stored = (
            None if entry is None else fetch_policy.before_request_for_bytes(entry, wanted, self._settings)
        )
        if stored is not None:
            return Fetched(stored.entry, CacheStatus.EMBEDDED, stored.warnings)
        staging_id = self._staging.open()
        self._staging.write(staging_id, data)
        return _Staged(staging_id, sha256)

    async def _verify_and_commit(
        self, staged: _Staged, body: EmbeddedBody, wanted: Requirements, budget: TimeBudget
    ) -> Fetched | Defect:
        key = embedded.key(staged.sha256)
        date = self._clock.now() if body.date is None else body.date
        try:
            verified = await self._storing.verify(staged.staging_id, wanted, budget, key=key, final_url=key)
            if isinstance(verified, Defect):
                return verified
            pending = PendingEntry(verified, key, embedded.head(body, key), date, date)
            return Fetched(await self._storing.commit(pending), CacheStatus.EMBEDDED, verified.warnings)
        finally:
            self._staging.discard(staged.staging_id)  # does nothing if it is committed
