"""`imgfetch cache`: look at the cache, and check it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from imgfetch.api.cache import Cache
from imgfetch.cli import lines
from imgfetch.cli.exits import Exit
from imgfetch.rules import urls

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> Exit:
    """Do one of `info`, `ls`, `verify`."""
    cache = Cache(options.cache)
    try:
        match options.action:
            case "info":
                return _info(cache, as_json=options.json)
            case "ls":
                return _list(cache, as_json=options.json)
            case _:
                return _verify(cache, as_json=options.json, deep=options.deep)
    finally:
        cache.close()


def _info(cache: Cache, *, as_json: bool) -> Exit:
    fields = {"path": str(cache.path), **cache.stats()._asdict()}
    if as_json:
        lines.result(json.dumps(fields))
        return Exit.OK
    for name, value in fields.items():
        shown = f"{value:,}" if isinstance(value, int) else value
        lines.result(f"{name.replace('_', ' '):<16}{shown}")
    return Exit.OK


def _list(cache: Cache, *, as_json: bool) -> Exit:
    for entry in cache.entries():
        facts = entry.facts
        if as_json:
            renditions = [{"url": each.key, "width": each.width} for each in cache.renditions(entry.key)]
            fields = {"url": entry.key, **asdict(facts), "received_at": entry.received_at}
            lines.result(json.dumps({**fields, "renditions": renditions}))
        else:
            size = f"{facts.width}x{facts.height}"
            shown = urls.redact(entry.key)
            lines.result(f"{facts.sha256[:16]}  {facts.format:<4}  {size:>11}  {facts.bytes:>10,}  {shown}")
    return Exit.OK


def _verify(cache: Cache, *, as_json: bool, deep: bool) -> Exit:
    checked = damaged = 0
    for verdict in cache.verify(deep=deep):
        checked += 1
        if verdict.problem is not None:
            damaged += 1
        if as_json:
            lines.result(json.dumps({"path": str(verdict.path), "problem": verdict.problem}))
        elif verdict.problem is not None:
            lines.result(f"{verdict.path}: {verdict.problem}")
    how = "name, structure and every frame" if deep else "name and structure"
    files = "1 file" if checked == 1 else f"{checked:,} files"
    lines.say(f"{files} checked by {how}: {damaged or 'none'} damaged")
    return Exit.DAMAGE if damaged else Exit.OK
