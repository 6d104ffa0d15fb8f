"""`imgfetch doctor`: shows versions, codecs, settings and system features, and what is missing."""

from __future__ import annotations

import json
import os
import sys
from itertools import chain
from typing import TYPE_CHECKING, TextIO

from imgfetch.api.doctor import examine
from imgfetch.cli import config, option_values, output
from imgfetch.cli.config_file import of_user, user_file
from imgfetch.cli.process.exit_codes import Exit
from imgfetch.model.request import Limits
from imgfetch.rules.store.requirements import Finding, Status

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from imgfetch.cli.config import Setting


def run(options: argparse.Namespace) -> Exit:
    """Print a line for each finding."""
    settings = config.settings_of("get")
    values = {setting.option.name: setting.value for setting in settings}
    found = examine(options.cache, needed_bytes=values["max-bytes"], ca_bundle=values["ca-bundle"])
    shown = (_of_setting(each, options.cache) for each in settings)
    return report(chain(found, _terminal(), _of_user(), shown, _fixed()), as_json=options.json)


def report(findings: Iterable[Finding], *, as_json: bool) -> Exit:
    """Print findings, and return the exit code."""
    missing = []
    for finding in findings:
        output.result(json.dumps(finding._asdict()) if as_json else _line(finding))
        if finding.status is Status.MISSING:
            missing.append(finding.name)
    output.say(f"missing: {', '.join(missing)}" if missing else "all requirements met")
    return Exit.FAILED if missing else Exit.OK


def _line(finding: Finding) -> str:
    mark = "" if finding.status is Status.TOLD else finding.status
    note = f" ({finding.needed})" if finding.needed else ""
    advice = f"; {finding.hint}" if finding.hint else ""
    return f"{mark:<8} {finding.name:<18} {finding.found or '-'}{note}{advice}"


def _of_user() -> Iterator[Finding]:
    name = user_file()
    if name is None:
        yield Finding("settings", "configuration", None, needed="no home directory")
    else:
        found = name if of_user() is not None else f"{name}, which does not exist"
        yield Finding("settings", "configuration", found)


def _of_setting(setting: Setting, cache: str) -> Finding:
    """Return the finding of a setting; `cache` is that of the command line."""
    name = f"--{setting.option.name}"
    if name == "--cache" and setting.value != cache:
        return Finding("settings", name, cache, needed="the command line")
    text = option_values.shown(setting.option, setting.value)
    return Finding("settings", name, text, needed=setting.where or "default")


def _terminal() -> Iterator[Finding]:
    for name, stream in (("standard output", sys.stdout), ("standard error", sys.stderr)):
        yield Finding("system", name, _kind_of(stream))


def _fixed() -> Iterator[Finding]:
    """Yield the limits without an option."""
    for name in ("backoff_cap", "lowest_speed_time"):
        where = f"no option: Client(limits=Limits({name}=…))"
        yield Finding("settings", name, f"{getattr(Limits(), name):,g}", needed=where)


def _kind_of(stream: TextIO | None) -> str:
    if stream is None:
        return "closed"
    if not stream.isatty():
        return f"not a terminal, {stream.encoding}"
    columns = os.get_terminal_size(stream.fileno()).columns
    return f"a terminal of {columns} columns, {stream.encoding}"
