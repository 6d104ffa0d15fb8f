"""From staging into the store: the one way for bytes that came over the network, and for embedded ones.

staged bytes ─▶ verify: verification ─▶ a placeholder? ─▶ Verified │ Defect
Verified, and its response ─▶ commit ─▶ Entry
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.engine.group_commit import GroupCommitter
from imgfetch.engine.lookup import shared
from imgfetch.engine.verification import Verifier
from imgfetch.model.image import Defect
from imgfetch.rules.image import placeholders, verify

if TYPE_CHECKING:
    from imgfetch.engine.limits.time_budget import TimeBudget
    from imgfetch.model.image import Requirements, Verified
    from imgfetch.model.request import Limits
    from imgfetch.model.values import Key, StagingId
    from imgfetch.ports import Ports
    from imgfetch.rules.http.digests import Claim


class Storing:
    """Verifies staged bodies, and commits them."""

    def __init__(self, ports: Ports, limits: Limits) -> None:
        self._store = ports.store
        self._verifier = Verifier(ports.staging, ports.decoder, ports.runner, limits)
        self._committer = GroupCommitter(ports.store, ports.runner)
        self.commit = self._committer.commit
        """Commits a body that is verified, with its response."""

    async def verify(
        self,
        staging_id: StagingId,
        wanted: Requirements,
        budget: TimeBudget,
        *,
        key: Key,
        final_url: str,
        length: int | None = None,
        claims: tuple[Claim, ...] = (),
    ) -> Verified | Defect:
        """Return whether a body is the image that is `wanted` under `key`, and not a placeholder for it.

        `final_url` is the URL of the response after redirects; `length` and `claims` as in `Verifier.verify`.
        Raises `CacheError`, and `NetworkError` (`timeout`).
        """
        with self._committer.expecting():
            verified = await self._verifier.verify(staging_id, wanted, budget, length=length, claims=claims)
        if isinstance(verified, Defect):
            return verified
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
