"""What needs no request: the first question, put to the store.

Everything here is synchronous and imports no network code, so that a warm cache answers at once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from imgfetch.errors import CheckDueError
from imgfetch.model import Served, Wanted
from imgfetch.rules import fakes, plan, renditions, urls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imgfetch.model import Ask, Candidate, Choice, Digest, Entry, Facts, Key, Rendition, Seen, Settings
    from imgfetch.ports import Runner, Store

T = TypeVar("T")


def look_up(choices: Iterable[Choice], store: Store, settings: Settings, *, now: float) -> Seen:
    """Look for all the chosen candidates at once, which costs little more than looking for one."""
    keys = {key for choice in choices if (key := urls.key(choice.url, settings.key_ignore)) is not None}
    return store.look_at(() if settings.refresh else tuple(keys), now=now)


def held(
    choice: Choice,
    store: Store,
    settings: Settings,
    *,
    now: float,
    sha256: Digest | None = None,
    seen: Seen | None = None,
    at_once: bool = False,
) -> Served | None:
    """Serve the chosen candidate from the store, or a wider one if that will do as well.

    None where a request is needed, or cannot be made. The outcome is the same whatever was `seen`, as long
    as that was within this second; what was not is looked up by itself. `at_once` raises `CheckDueError`
    where many bytes are to be hashed first.
    """
    if settings.refresh and not settings.offline:
        return None
    key = urls.key(choice.url, settings.key_ignore)
    just = seen if seen is not None and is_recent(seen, now=now) else None
    if just is None or key not in just.absent:
        wanted = wanted_of(choice.candidate, settings, sha256)
        sight = None if just is None or key is None else just.answers.get(key)
        serve = None if sight is None else plan.consider_bytes(store.told(sight[1]), wanted, settings)
        serve = serve or answer(
            choice.url, store, wanted, settings, now=now, page=choice.page, at_once=at_once
        )
        if serve is not None:
            return _served(choice, choice.candidate, serve, store)
    least = renditions.wanted(choice, settings, sha256)
    return None if least is None else _stand_in(choice, store, settings, least=least, now=now)


def was_seen(choice: Choice, seen: Seen, settings: Settings, *, now: float) -> bool:
    """Whether anything was just seen of the chosen candidate: that it is there, or that nothing is."""
    key = urls.key(choice.url, settings.key_ignore)
    return is_recent(seen, now=now) and (key in seen.absent or key in seen.answers)


def is_recent(seen: Seen, *, now: float) -> bool:
    """Whether what was seen may be taken for what is."""
    return 0 <= now - seen.at <= JUST


JUST = 1.0
"""Seconds for which it may."""


def _stand_in(choice: Choice, store: Store, settings: Settings, *, least: int, now: float) -> Served | None:
    """Serve what is held, fresh, proved, and at least so wide."""
    address = urls.read(choice.url)
    if not isinstance(address, urls.Address):
        return None
    offered = renditions.listed(choice, settings)
    fields = plan.fields(address, settings, choice.page)
    chosen = address.key(settings.key_ignore)
    for rendition, entry in store.stand_ins(offered, fields, chosen=chosen, least=least):
        candidate = renditions.candidate_for(rendition, choice, settings)
        wanted = wanted_of(candidate, settings, None)
        sharing = shared(entry.facts, store)
        considered = plan.consider(candidate.url, entry, wanted, settings, now=now, sharing=sharing)
        if isinstance(considered, plan.Serve) and plan.may_stand_for(considered, choice):
            return _served(choice, candidate, considered, store)
    return None


def _served(choice: Choice, candidate: Candidate, serve: plan.Serve, store: Store) -> Served:
    path = store.path(serve.entry)
    return Served(choice, candidate, serve.entry, path, serve.origin, warnings=serve.warnings)


def consult(
    url: str,
    store: Store,
    wanted: Wanted,
    settings: Settings,
    *,
    now: float,
    page: str = "",
    offered: tuple[Rendition, ...] = (),
    seen: Seen | None = None,
    at_once: bool = False,
) -> plan.Serve | Ask | plan.Refuse:
    """Put what the store holds of `url` before `plan.consider`, for a request on behalf of `page`.

    What was `seen` to be absent within this second is not looked for again. `at_once` as in `find`.
    """
    key = urls.key(url, settings.key_ignore)
    absent = seen is not None and is_recent(seen, now=now) and key in seen.absent
    entry = None if absent else find(url, store, settings, page, at_once=at_once)
    sharing = () if entry is None else shared(entry.facts, store)
    return plan.consider(url, entry, wanted, settings, now=now, sharing=sharing, page=page, offered=offered)


def answer(
    url: str,
    store: Store,
    wanted: Wanted,
    settings: Settings,
    *,
    now: float,
    page: str = "",
    at_once: bool = False,
) -> plan.Serve | None:
    """The same, where it matters only whether what is held will do."""
    entry = find(url, store, settings, page, at_once=at_once)
    if entry is None:
        return None
    sharing = shared(entry.facts, store)
    considered = plan.consider(url, entry, wanted, settings, now=now, sharing=sharing, page=page)
    return considered if isinstance(considered, plan.Serve) else None


def shared(facts: Facts, store: Store) -> tuple[Key, ...]:
    """Under which keys a store holds the same bytes, where it matters."""
    return store.sharing(facts) if facts.bytes <= fakes.MOST_BYTES else ()


def find(
    url: str, store: Store, settings: Settings, page: str = "", *, at_once: bool = False
) -> Entry | None:
    """What the store holds of `url` for a request with our fields; offline, for any.

    `at_once` raises `CheckDueError` where many bytes are to be hashed first.
    """
    address = urls.read(url)
    if not isinstance(address, urls.Address):
        return None
    key = address.key(settings.key_ignore)
    fields = None if settings.offline else plan.fields(address, settings, page)
    return store.find(key, fields, at_once=at_once)


async def without_blocking(look: Callable[[bool], T], runner: Runner) -> T:
    """Return what `look(at_once)` finds; where it would hash many bytes, look again in a thread."""
    try:
        return look(True)
    except CheckDueError:
        return await runner.run(partial(look, False))


def wanted_of(
    candidate: Candidate, settings: Settings, sha256: Digest | None, *, page: bool = False
) -> Wanted:
    """What the bytes of one candidate must be, where a `page` may come in its place."""
    width = settings.expect_width or candidate.width
    return Wanted(
        settings.level,
        sha256,
        width=width,
        strict_width=settings.strict_width,
        page=page,
        reject_fakes=settings.reject_fakes,
    )
