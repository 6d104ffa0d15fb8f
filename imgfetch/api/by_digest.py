"""Bytes that are in the cache, whatever URL they came by."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from imgfetch.engine.lookup import wanted_of
from imgfetch.errors import CheckDueError
from imgfetch.model.image import Defect, Entry
from imgfetch.model.request import Head
from imgfetch.model.result import Served
from imgfetch.model.values import Key
from imgfetch.rules.policy import fetch_policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgfetch.model.image import Requirements
    from imgfetch.model.markup import Choice
    from imgfetch.model.request import Limits, Settings
    from imgfetch.model.values import Digest
    from imgfetch.store.disk_store import DiskStore


def kept(
    choice: Choice, sha256: Digest, store: DiskStore, settings: Settings, *, anew: bool
) -> Served | None:
    """Serve the bytes of that digest for a choice; None where they are not there, or will not do.

    `anew`: what the index does not tell of them may be found out, by hashing or proving them once more. That
    takes time.
    """
    wanted = wanted_of(choice.candidate, settings, sha256)
    try:
        found = store.holding(sha256, at_once=not anew)
    except CheckDueError:
        return None
    if found is None:
        return None
    path, entry = found

    def told() -> Iterator[Entry | None]:
        yield entry
        if anew:
            yield _proved(path, choice.url, sha256, wanted, settings.limits)

    for each in told():
        considered = None if each is None else fetch_policy.before_request_for_bytes(each, wanted, settings)
        if considered is not None:
            warnings = considered.warnings
            return Served(
                choice, choice.candidate, considered.entry, path, considered.origin, warnings=warnings
            )
    return None


def _proved(path: Path, url: str, sha256: Digest, wanted: Requirements, limits: Limits) -> Entry | None:
    """Return an entry, which no index has, for bytes that prove to be an image within the time limit."""
    from imgfetch.decode.decode_executor import DecodeThread
    from imgfetch.decode.memory import OF_PROCESS
    from imgfetch.decode.pillow import PillowDecoder
    from imgfetch.engine.verification import verify_bytes

    try:
        data = path.read_bytes()
    except OSError:  # it has gone in this moment: then it must be asked for
        return None
    room, decoder = OF_PROCESS.taken, PillowDecoder()
    work = partial(verify_bytes, data, sha256, wanted=wanted, limits=limits, decoder=decoder, memory=room)
    with closing(DecodeThread()) as thread:
        proved = thread.run(lambda checkpoint: work(checkpoint=checkpoint), seconds=limits.total_timeout)
    return (
        None
        if proved is None or isinstance(proved, Defect)
        else Entry(Key(url), proved.facts, Head(url, 200), 0.0, 0.0)
    )
