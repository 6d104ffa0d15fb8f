"""From staging into the store: the one way for bytes that came over the network, and for embedded ones.

staged bytes ─▶ verification ─▶ a placeholder? ─▶ commit ─▶ Stored │ Defect
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.engine.group_commit import GroupCommitter
from imgfetch.engine.lookup import shared
from imgfetch.engine.verification import Verifier
from imgfetch.model.image import Defect
from imgfetch.rules.image import placeholders, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.engine.limits.time_budget import TimeBudget
    from imgfetch.model.image import Entry, PendingEntry, Requirements, Verified
    from imgfetch.model.request import Limits
    from imgfetch.model.values import Key, StagingId
    from imgfetch.ports import Ports
    from imgfetch.rules.http.digests import Claim


class Stored(NamedTuple):
    """Bytes that are in the store now."""

    entry: Entry
    warnings: tuple[str, ...]


class Storing:
    """Verifies staged bodies, and commits them."""

    def __init__(self, ports: Ports, limits: Limits) -> None:
        self._store = ports.store
        self._verifier = Verifier(ports.staging, ports.decoder, ports.runner, limits)
        self._committer = GroupCommitter(ports.store, ports.runner)

    async def store(
        self,
        staging_id: StagingId,
        wanted: Requirements,
        budget: TimeBudget,
        *,
        key: Key,
        final_url: str,
        entry_of: Callable[[Verified], PendingEntry],
        length: int | None = None,
        claims: tuple[Claim, ...] = (),
    ) -> Stored | Defect:
        """Commit a body under `key`, if it is the image that is `wanted`.

        `final_url` is the URL of the response after redirects; `length` and `claims` as in `Verifier.verify`.
        The body stays in staging where it has a defect. Raises `CacheError`, and `NetworkError` (`timeout`).
        """
        with self._committer.expecting():
            verified = await self._verifier.verify(staging_id, wanted, budget, length=length, claims=claims)
        if isinstance(verified, Defect):
            return verified
        judged = self._judge(verified, wanted, key, final_url)
        if isinstance(judged, Defect):
            return judged
        return Stored(await self._committer.commit(entry_of(judged)), judged.warnings)

    def _judge(self, verified: Verified, wanted: Requirements, key: Key, final_url: str) -> Verified | Defect:
        """Refuse a placeholder, or warn of it, as the caller wants."""
        facts = verified.facts
        signs = placeholders.detect(
            facts,
            wanted.width,
            requested=key,
            final_url=final_url,
            sharing=shared(facts, self._store),
            stand_in=wanted.stand_in,
        )
        return verify.apply_placeholder_policy(verified, wanted, signs)
