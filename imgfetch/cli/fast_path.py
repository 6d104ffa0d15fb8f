"""The doorstep: most runs want what is there, and need not come in.

    get URL… ─▶ plain words? ─▶ plain surroundings? ─▶ held and fresh? ─▶ paths
                    └─no──────────────└─no───────────────└─no──────────▶ None: the whole program

It knows a part of what the program knows, and says of that part what the program would say, byte for byte,
in a fifth of the time: it loads none of its modules, nor argparse, re or dataclasses. All else it leaves to
the program. What may be served unasked, and until when, `fetch_policy.fresh_until` has written into the
index; nothing of it is decided here.
"""

from __future__ import annotations

import os
import sys

from imgfetch.cli.config_file import of_folder, of_user
from imgfetch.store.lookup_sql import lookup_paths
from imgfetch.system.clock import SystemClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def answer(arguments: Sequence[str]) -> list[str] | None:
    """The paths that are all the program would print for these words; None where it may be otherwise."""
    try:
        return _answer(arguments)
    except Exception:  # whatever it is, the program will meet it too, and has words for it
        return None


def _answer(arguments: Sequence[str]) -> list[str] | None:
    asked = _read(arguments)
    if asked is None or _is_special():
        return None
    urls, cache = asked
    paths = lookup_paths(cache or os.environ.get("IMGFETCH_CACHE") or "cache", urls, now=SystemClock().now())
    return paths if paths and all(map(str.isprintable, paths)) else None


def _read(arguments: Sequence[str]) -> tuple[list[str], str | None] | None:
    """The URLs and the cache that a plain `get` names; None for any other command line."""
    words = iter(arguments)
    if next(words, None) != "get":
        return None
    urls: list[str] = []
    cache, quiet, behind = None, False, False
    for word in words:
        if word[:1] != "-":
            if behind:  # sources in two places are one of argparse's riddles
                return None
            urls.append(word)
            continue
        behind = bool(urls)
        name, equals, value = word.partition("=") if word[:2] == "--" else (word, "", "")
        if name in ("-q", "--quiet") and not equals:
            quiet = True
            continue
        if not equals:
            value = next(words, "-")
        if not value or value[0] == "-":
            return None
        if name == "--cache":
            cache = value
        elif name not in ("-w", "--width") or not _is_plain_number(value):
            return None
    return (urls, cache) if len(urls) == 1 or (urls and quiet) else None


def _is_plain_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 10


def _is_special() -> bool:
    """Whether there are settings in the surroundings that only the program can read."""
    variables = any(name.startswith("IMGFETCH_") and name != "IMGFETCH_CACHE" for name in os.environ)
    return variables or sys.stdout is None or of_folder() is not None or of_user() is not None
