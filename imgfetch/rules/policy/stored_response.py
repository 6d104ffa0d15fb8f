"""Decide whether the bytes of a stored response are still what a caller wants.

    entry ─▶ is_verified: as far as the level asks ─▶ accept: Verified, with warnings anew, or None
    entry ─▶ fresh_until: until when it answers any request for its key, or None

`rules.http.freshness` judges its age.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.image import Defect, Format, Requirements, Verified, VerifyLevel
from imgfetch.model.request import Settings
from imgfetch.model.values import StagingId
from imgfetch.rules.http import credentials, freshness, urls
from imgfetch.rules.http.vary import varying
from imgfetch.rules.image import placeholders, verify

if TYPE_CHECKING:
    from imgfetch.model.image import Entry
    from imgfetch.model.values import Key


def accept(
    entry: Entry | None, wanted: Requirements, settings: Settings, keys_sharing: tuple[Key, ...] = ()
) -> Verified | None:
    """Check a stored response against the present requirements; return None if it does not meet them.

    `keys_sharing` are other keys with the same stored bytes.
    """
    if entry is None or not is_verified(entry, wanted.level):
        return None
    if settings.robots and _is_opted_out(entry, settings.robots):
        return None  # stored without --robots respect; the owner may have changed the header since
    if not settings.allow_downgrade and _is_downgraded(entry):
        return None  # stored with --allow-downgrade
    if not 200 <= entry.head.status < 300 or entry.facts.format is Format.OTHER:
        return None  # stored by `CachingTransport`, which also stores errors and other types than images
    checked = verify.check(entry.facts, _NOT_STAGED, wanted)
    if isinstance(checked, Verified):
        signs = placeholders.detect(
            entry.facts,
            wanted.width,
            requested=entry.key,
            final_url=entry.head.url,
            sharing=keys_sharing,
            stand_in=wanted.stand_in,
        )
        checked = verify.apply_placeholder_policy(checked, wanted, signs)
    return checked if isinstance(checked, Verified) else None


def fresh_until(entry: Entry) -> float | None:
    """Return when the stored response stops being usable without a look at the request.

    From `response_time` until then, `before_request` uses it for its key as a URL, without warnings, with
    the default requirements and settings. None if it never does, or if that depends on the request.
    """
    address = urls.read(entry.key)
    if isinstance(address, Defect) or address.key() != entry.key:
        return None
    accepted = accept(entry, _DEFAULT_REQUIREMENTS, _DEFAULT_SETTINGS)
    if accepted is None or accepted.warnings or entry.vary_values or varying(entry.head):
        return None
    return freshness.fresh_until(entry)


def is_usual(settings: Settings) -> bool:
    """Return True if `fresh_until` holds for these settings too, and a key used as a URL keeps its key."""
    strict = settings.refresh or settings.robots or settings.key_ignore or settings.expect_width is not None
    secrets = settings.headers_for or settings.cookies or settings.netrc
    selects = secrets or credentials.selecting(settings.headers)
    return not strict and not selects and settings.level is not VerifyLevel.THOROUGH


def is_verified(entry: Entry, level: VerifyLevel) -> bool:
    """Return True if the bytes were verified as far as `level` asks."""
    return set(entry.facts.verified).issuperset(verify.checks_of(entry.facts.format, level))


def _is_opted_out(entry: Entry, robots: str) -> bool:
    from imgfetch.rules.crawl import opt_out  # only crawlers ask

    return opt_out.in_head(entry.head, robots) is not None


def _is_downgraded(entry: Entry) -> bool:
    """Return True if redirects led from https: to http:, where anyone on the way could have answered."""
    return entry.key.startswith("https:") and entry.head.url.startswith("http:")


_DEFAULT_REQUIREMENTS, _DEFAULT_SETTINGS = Requirements(), Settings()

_NOT_STAGED = StagingId("")
"""The staging id of bytes that are in the store already."""
