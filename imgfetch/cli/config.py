"""Options from variables and files: which file may set which option, and the notices about the rest.

    IMGFETCH_… ─────────────────────────────────────────────────────────────────┐
    ~/.config/imgfetch/config.toml ─▶ every option ─────────────────────────────┤
    imgfetch.toml │ pyproject.toml of the current directory ─▶ only `in_folder` ┴▶ option ─▶ value, where

The first of them that sets an option wins. A directory may come from a stranger: its file may choose among
images, but not send secrets, reach hosts or write files.
"""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any, NamedTuple

from imgfetch.cli import option_values
from imgfetch.cli.config_file import LARGEST, of_folder, of_user, user_file
from imgfetch.errors import InputError, one_line, printable
from imgfetch.model.options import names, options_of
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from imgfetch.model.options import Option


class Configured(NamedTuple):
    """A value that a file gives to an option."""

    value: Any
    file: str


class Configuration(NamedTuple):
    """The settings in files."""

    options: dict[str, Configured]
    notices: list[str]
    """Messages to the user, a line each."""


class Setting(NamedTuple):
    """The value of an option where the command line does not give it."""

    option: Option
    value: Any
    where: str | None
    """The variable or the file that sets it; None for the default."""


def setting_of(option: Option, configured: Mapping[str, Configured], *, default: object) -> Setting:
    """Return the value of an option from its variable, a file, or `default`. Raises `InputError`."""
    variable = variable_of(option.name)
    value: Any = os.environ.get(variable) or None
    where = blamed = variable
    if value is None:
        if option.name not in configured:
            return Setting(option, default, None)
        value, where = configured[option.name]
        blamed = f"{where}: {option.name}"
    try:
        return Setting(option, option_values.configured(option, value), where)
    except ArgumentTypeError as error:
        raise InputError(ErrorKind.BAD_INPUT, str(error), blamed) from error


def settings_of(command: str) -> list[Setting]:
    """Return the settings of a command without flags. Raises `InputError`."""
    configured = read().options
    return [
        setting_of(option, configured, default=[] if option.several else option.default)
        for option in options_of(command)
        if option.is_configurable
    ]


def read() -> Configuration:
    """Read what the files set. Raises `InputError`."""
    options: dict[str, Configured] = {}
    notices = []
    folder, user = of_folder(), of_user()
    if folder is not None:
        name, table = folder[0], _table(*folder, is_of_user=False)
        taken = table.keys() & names(in_folder=True)
        options |= {key: Configured(table[key], name) for key in taken}
        ignored = table.keys() - taken
        if ignored:
            notices.append(_ignored(name, ignored))
    if user is not None:
        name, table = user[0], _table(*user, is_of_user=True)
        for key in table.keys() - names():
            raise InputError(ErrorKind.BAD_INPUT, f"{_shown(key)} is not an option; see docs/cli.md", name)
        options |= {key: Configured(value, name) for key, value in table.items()}
    return Configuration(options, notices)


def unknown_variables() -> list[str]:
    """Return a notice for each variable that has the prefix of imgfetch and does not set an option."""
    given = [name for name in os.environ if name.startswith(PREFIX)]
    if not given or given == ["IMGFETCH_CACHE"]:  # the usual cases
        return []
    known = {variable_of(name) for name in names()} | {"IMGFETCH_DEBUG"}
    notices = []
    for name in sorted(given):
        if name not in known:
            from difflib import get_close_matches

            meant = "".join(
                f"; did you mean {near}?" for near in get_close_matches(name, sorted(known), 1, 0.85)
            )
            what = f"{_shown(name)} is not a variable of imgfetch and is ignored{meant}"
            notices.append(one_line("", what))
    return notices


PREFIX = "IMGFETCH_"


def variable_of(option: str) -> str:
    """Return the variable that sets an option."""
    return PREFIX + option.upper().replace("-", "_")


def _table(name: str, text: bytes, *, is_of_user: bool) -> dict[str, Any]:
    """Return the table `[tool.imgfetch]` of a file, or the top of the user's file. Raises `InputError`."""
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


def _ignored(name: str, keys: AbstractSet[str]) -> str:
    """Return the notice that names the ignored keys of a file, and where they may stand."""
    misplaced, unknown = sorted(keys & names()), sorted(keys - names())
    parts = []
    if misplaced:
        where = f"{user_file() or 'the configuration of the user'}, {variable_of(misplaced[0])} or a flag"
        verb = "is" if len(misplaced) == 1 else "are"
        parts.append(
            f"{_several(misplaced)} {verb} ignored in the current directory, and may stand in {where}"
        )
    if unknown:
        parts.append(f"{_several(unknown)} {'is not an option' if len(unknown) == 1 else 'are not options'}")
    return f"{name}: {'; '.join(parts)}"


def _several(names: list[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(map(_shown, names[:_MOST])) + more


_MOST = 8
"""Names that a notice lists one by one."""


def _shown(name: str) -> str:
    text = printable(name)
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
