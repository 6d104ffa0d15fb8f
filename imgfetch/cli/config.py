"""What files and variables set: which file may set which option, and what is said of the rest.

    imgfetch.toml │ pyproject.toml of the current directory ─▶ only `CHOOSING` ─┐
    ~/.config/imgfetch/config.toml ─▶ every option ─────────────────────────────┴▶ option ─▶ value, file

The user's own file goes before that of the current directory. A directory may be somebody else's: its file
may choose among images, and neither send secrets, nor reach hosts, nor write files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imgfetch.cli.config_file import LARGEST, of_folder, of_user, user_file
from imgfetch.errors import InputError, one_line, printable
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

CHOOSING = frozenset(
    {
        "width",
        "viewport",
        "policy",
        "formats",
        "kinds",
        "min-width",
        "min-height",
        "include",
        "exclude",
        "base",
    }
)
"""The options that a file of the current directory may set."""


class Configured(NamedTuple):
    """A value that a file gives to an option."""

    value: Any
    file: str


class Configuration(NamedTuple):
    """What the files set."""

    options: dict[str, Configured]
    notices: list[str]
    """What a user should be told, a line each."""


def read(known: Callable[[], AbstractSet[str]]) -> Configuration:
    """Read what the files set; `known` gives every option there is. Raises `InputError`."""
    options: dict[str, Configured] = {}
    notices = []
    folder, user = of_folder(), of_user()
    if folder is not None:
        name, table = folder[0], _table(*folder, is_of_user=False)
        taken = table.keys() & CHOOSING & known()
        options |= {key: Configured(table[key], name) for key in taken}
        ignored = table.keys() - taken
        if ignored:
            notices.append(_ignored(name, ignored, known()))
    if user is not None:
        name, table = user[0], _table(*user, is_of_user=True)
        for key in table.keys() - known():
            raise InputError(ErrorKind.BAD_INPUT, f"{_shown(key)} is no option; see docs/cli.md", name)
        options |= {key: Configured(value, name) for key, value in table.items()}
    return Configuration(options, notices)


def unknown_variables(variables: Iterable[str], known: AbstractSet[str]) -> list[str]:
    """Return a notice for each variable that has our prefix, and is none of `known`."""
    notices = []
    for name in sorted(variables):
        if name.startswith(PREFIX) and name not in known:
            from difflib import get_close_matches

            meant = "".join(
                f"; did you mean {near}?" for near in get_close_matches(name, sorted(known), 1, 0.85)
            )
            notices.append(one_line("", f"{_shown(name)} is no variable of imgfetch, and is ignored{meant}"))
    return notices


PREFIX = "IMGFETCH_"


def variable_of(option: str) -> str:
    """Return the variable that sets an option."""
    return PREFIX + option.upper().replace("-", "_")


def _table(name: str, text: bytes, *, is_of_user: bool) -> dict[str, Any]:
    """Return what `[tool.imgfetch]` says in a file, or in the user's own its top. Raises `InputError`."""
    import re
    import tomllib

    if len(text) > LARGEST:
        raise InputError(ErrorKind.BAD_INPUT, f"larger than {LARGEST:,} bytes", name)
    if re.search(_DEEP_KEY, text):
        raise InputError(ErrorKind.BAD_INPUT, f"a key of more than {_DEEPEST} parts", name)
    try:
        top: Any = tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or an integer of too many digits
        raise InputError(ErrorKind.BAD_INPUT, f"not TOML: {error}", name) from error
    table = top.get("tool")
    table = table.get("imgfetch") if isinstance(table, dict) else None
    if table is None and is_of_user:
        table = top
    if not isinstance(table, dict):
        raise InputError(ErrorKind.BAD_INPUT, "no table [tool.imgfetch] in it", name)
    return {str(key).replace("_", "-"): value for key, value in table.items()}


_DEEPEST = 64
"""Parts of a dotted key: `tomllib` takes time in the square of their number."""

_DEEP_KEY = rb"""(?:\.[ \t]*(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*){%d}""" % _DEEPEST


def _ignored(name: str, keys: AbstractSet[str], known: AbstractSet[str]) -> str:
    """Say in a line which keys of a file of the current directory are ignored, and where they may stand."""
    misplaced, unknown = sorted(keys & known), sorted(keys - known)
    parts = []
    if misplaced:
        where = f"{user_file() or 'the configuration of the user'}, {variable_of(misplaced[0])} or a flag"
        verb = "is" if len(misplaced) == 1 else "are"
        parts.append(
            f"{_several(misplaced)} {verb} ignored in the current directory, and may stand in {where}"
        )
    if unknown:
        parts.append(f"{_several(unknown)} {'is no option' if len(unknown) == 1 else 'are no options'}")
    return f"{name}: {'; '.join(parts)}"


def _several(names: list[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(map(_shown, names[:_MOST])) + more


_MOST = 8
"""Names that are told one by one."""


def _shown(name: str) -> str:
    text = printable(name)
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
