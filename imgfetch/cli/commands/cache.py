"""`imgfetch cache`: inspects, checks and cleans the cache."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imgfetch.api.cache import Cache
from imgfetch.cli import output
from imgfetch.cli.client_factory import client_for
from imgfetch.cli.process.exit_codes import Exit
from imgfetch.cli.summary import with_option
from imgfetch.errors import CacheError, error_for
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from imgfetch.api.cache import Verdict
    from imgfetch.api.results import Image


def run(options: argparse.Namespace) -> Exit:
    """Run one of the actions `info`, `ls`, `verify`, `prune`, `pin`, `unpin`, `rm`."""
    cache = Cache(options.cache, key_ignore=options.key_ignore)
    try:
        if options.action in _NEEDS_A_CACHE and not cache.exists():
            raise CacheError(ErrorKind.NOT_A_CACHE, "no cache found", str(cache.path), hint=_NAME_A_CACHE)
        match options.action:
            case "info":
                return _info(cache, as_json=options.json)
            case "ls":
                return _list(cache, as_json=options.json)
            case "verify":
                return _verify(cache, options)
            case "prune":
                return _prune(cache, options)
            case "pin":
                return _each(options, cache.pin, "pinned", "not in the cache")
            case "unpin":
                return _each(options, cache.unpin, "unpinned", "not pinned")
            case _:
                return _each(options, cache.remove, "removed", "not in the cache")
    finally:
        cache.close()


_NEEDS_A_CACHE = frozenset({"info", "ls", "verify", "prune"})
"""Actions that would report success for a misspelt folder."""

_NAME_A_CACHE = "--cache DIR names one; the first stored image creates it"


def _info(cache: Cache, *, as_json: bool) -> Exit:
    fields = {"path": str(cache.path), **cache.stats()._asdict()}
    if as_json:
        output.result(json.dumps(fields))
        return Exit.OK
    for name, value in fields.items():
        output.result(f"{name.replace('_', ' '):<16}{_shown(name, value)}")
    return Exit.OK


def _shown(name: str, value: object) -> object:
    if name == "oldest_use":
        return output.utc(value) if isinstance(value, int) else "never"
    return f"{value:,}" if isinstance(value, int) else value


def _list(cache: Cache, *, as_json: bool) -> Exit:
    pins = cache.pins()
    for entry in cache.entries():
        facts, pinned = entry.facts, entry.key in pins
        if as_json:
            renditions = [{"url": each.key, "width": each.width} for each in cache.renditions(entry.key)]
            fields = {"response_time": entry.response_time, "pinned": pinned, "renditions": renditions}
            output.result(json.dumps({"url": entry.key, **facts._asdict(), **fields}))
        else:
            size = f"{facts.width}x{facts.height}"
            shown = urls.redact(entry.key) + "  (pinned)" * pinned
            output.result(f"{facts.sha256[:16]}  {facts.format:<4}  {size:>11}  {facts.bytes:>10,}  {shown}")
    return Exit.OK


def _each(options: argparse.Namespace, work: Callable[[str], bool], done: str, not_done: str) -> Exit:
    """Apply `work` to each URL, and report each result."""
    failed = False
    for url in options.urls:
        was_done = work(url)
        failed = failed or not was_done
        if options.json:
            output.result(json.dumps({"url": urls.without_userinfo(url), done: was_done}))
        elif not was_done:
            output.say(f"{urls.redact(url)}: {not_done}")
    return Exit.FAILED if failed else Exit.OK


def _prune(cache: Cache, options: argparse.Namespace) -> Exit:
    pruned = cache.prune(options.max_cache, options.max_age, grace=options.grace, dry_run=options.dry_run)
    if options.json:
        output.result(json.dumps({**asdict(pruned), "dry_run": options.dry_run}))
    else:
        for what, cleared in (
            ("evicted", pruned.evicted),
            ("not in the index", pruned.strays),
            ("scratch", pruned.scratch),
            ("quarantine", pruned.quarantine),
            ("of older versions", pruned.outdated),
            ("left", pruned.left),
        ):
            output.result(f"{what:<18}{cleared.files:>11,}  {cleared.bytes:>17,} bytes")
    if pruned.over:
        over, grace = f"{pruned.over:,}", f"{options.grace:g}"
        output.say(f"{over} bytes above the limit are left: used within the last {grace} s, or pinned")
    return Exit.OK


def _verify(cache: Cache, options: argparse.Namespace) -> Exit:
    checked = damaged = unknown = 0
    repair = client_for(options) if options.repair else None
    for verdict in cache.verify(deep=options.deep, repair=repair, sandbox=options.sandbox):
        checked += 1
        damaged += verdict.problem is not None
        unknown += verdict.problem is None and not verdict.indexed
        if options.json:
            output.result(json.dumps(_fields(verdict)))
        elif verdict.problem is not None:
            output.result(f"{verdict.path}: {verdict.problem}")
            for outcome in verdict.repaired:
                output.result(f"  {_outcome(outcome)}")
    how = "name, structure and every frame" if options.deep else "name and structure"
    files = "1 file" if checked == 1 else f"{checked:,} files"
    output.say(f"{files} checked by {how}: {damaged or 'none'} damaged")
    if unknown:
        output.say(f"{unknown:,} of them not in the index: harmless; imgfetch cache prune deletes them")
    return Exit.DAMAGE if damaged else Exit.OK


def _fields(verdict: Verdict) -> dict[str, Any]:
    return {
        "path": str(verdict.path),
        "problem": verdict.problem,
        "urls": verdict.urls,
        "indexed": verdict.indexed,
        "repaired": [
            {"error": outcome.kind, "message": outcome.message, "hint": outcome.hint}
            if isinstance(outcome, Failure)
            else {"path": str(outcome.path)}
            for outcome in verdict.repaired
        ],
    }


def _outcome(outcome: Image | Failure) -> str:
    if isinstance(outcome, Failure):
        return f"not repaired: {error_for(with_option(outcome))}"
    return f"repaired: {urls.redact(outcome.url)} is {outcome.path}"
