"""`imgfetch explain`: why a URL is fresh or stale, the request that would be sent, the last response."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from imgfetch.api.cache import Cache
from imgfetch.cli import output
from imgfetch.cli.inputs import headers_of, netrc_of
from imgfetch.cli.process.exit_codes import Exit
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    import argparse

    from imgfetch.rules.policy.explain import Explanation


def run(options: argparse.Namespace) -> Exit:
    """Explain each URL."""
    cache = Cache(options.cache, key_ignore=options.key_ignore)
    given: dict[str, Any] = {
        "headers": headers_of(options),
        "cookies": options.cookies,
        "netrc": netrc_of(options),
    }
    try:
        for url in options.urls:
            explanation = cache.explain(url, **given)
            if options.json:
                output.result(json.dumps(_fields(cache, explanation)))
            else:
                _print(cache, explanation)
    finally:
        cache.close()
    return Exit.OK


def _print(cache: Cache, explanation: Explanation) -> None:
    output.result(urls.redact(explanation.url))
    output.result(f"  key: {urls.redact(explanation.key or '')}")
    for rendition in cache.renditions(explanation.url):
        if rendition.key != explanation.key:
            output.result(f"  of the same source set: {rendition.width}w {urls.redact(rendition.key)}")
    entry = explanation.entry
    if entry is not None:
        facts = entry.facts
        size = f"{facts.width}x{facts.height}, {facts.bytes:,} bytes"
        output.result(f"  stored: {cache.path_of(entry)} ({facts.format}, {size})")
    output.result(f"  {explanation.why}")
    match explanation.action:
        case "serve":
            output.result("  get would serve it without a request")
        case "ask":
            output.result("  get would send a request with:")
            for name, value in explanation.sends:
                output.result(f"    {name}: {value}")
    if entry is not None:
        received = output.utc(entry.response_time)
        output.result(f"  last response, at {received}, from {urls.redact(entry.head.url)}:")
        output.result(f"    HTTP {entry.head.status}")
        for name, value in entry.head.headers:
            output.result(f"    {name}: {value}")


def _fields(cache: Cache, explanation: Explanation) -> dict[str, Any]:
    entry, standing = explanation.entry, explanation.standing
    return {
        "url": urls.without_userinfo(explanation.url),
        "key": explanation.key,
        "renditions": [{"url": each.key, "width": each.width} for each in cache.renditions(explanation.url)],
        "held": entry is not None,
        "path": None if entry is None else str(cache.path_of(entry)),
        "fresh": explanation.fresh,
        "why": explanation.why,
        "action": explanation.action,
        "age": standing and standing.age,
        "lifetime": standing and standing.lifetime,
        "basis": standing and standing.basis,
        "sends": dict(explanation.sends),
        "answer": entry and {**entry.head._asdict(), "response_time": entry.response_time},
    }
