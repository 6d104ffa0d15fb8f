"""Builds the parser of the command line from the table of options, and reads a line with it.

A flag goes before an `IMGFETCH_…` variable, that before the user's own configuration, that before
`[tool.imgfetch]` in `imgfetch.toml` or `pyproject.toml` of the current directory, that before the default.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import imgfetch
from imgfetch.cli import config, help_texts
from imgfetch.cli.config_file import FOLDER_FILES
from imgfetch.cli.option_values import header_for, reader_of
from imgfetch.errors import InputError
from imgfetch.model.options import FROM_REPORT, GROUPS, Kind, options_of
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgfetch.cli.config import Configured
    from imgfetch.model.options import Option


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read a command line. Raises `InputError`; exits by itself only for --help and --version.

    `notices` of the options are the lines to show to the user, and `set_elsewhere` the names of the options
    that a variable or a file sets.
    """
    chosen = next((word for word in arguments if not word.startswith("-")), "")
    has_options = chosen in help_texts.COMMANDS and GROUPS.get(chosen) != ()
    configured, notices = config.read() if has_options else ({}, [])
    parser, set_by = build(chosen, configured, alone=chosen == next(iter(arguments), None))
    arguments = _joined(arguments)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        # argparse would refer to the help of the whole program, which has no options.
        words = ("imgfetch", options.command, *filter(None, [getattr(options, "action", None)]))
        what = f"unrecognized arguments: {' '.join(unknown)}; see {' '.join(words)} --help"
        raise InputError(ErrorKind.BAD_INPUT, what)
    options.set_elsewhere = set_by.keys() - {word[2:].partition("=")[0] for word in arguments}
    options.base_of_folder = set_by.get("base") in FOLDER_FILES and "base" in options.set_elsewhere
    options.notices = [*notices, *config.unknown_variables()]
    return options


def _joined(arguments: Sequence[str]) -> list[str]:
    """Return the words with the values joined to two options that argparse cannot read otherwise.

    The value of `--kinds` may look like an option: `-poster`. That of `--require-width` may be absent, and
    what follows a source.
    """
    joined: list[str] = []
    for word in arguments:
        before = joined[-1] if joined else ""
        if before == "--kinds" and word[:2] != "--":
            joined[-1] = f"--kinds={word}"
        elif before == "--require-width=yes" and word.isascii() and word.isdigit():
            joined[-1] = f"--require-width={word}"
        else:
            joined.append("--require-width=yes" if word == "--require-width" else word)
    return joined


def build(
    chosen: str | None = None, configured: Mapping[str, Configured] | None = None, *, alone: bool = False
) -> tuple[argparse.ArgumentParser, dict[str, str]]:
    """Return the parser, and the variable or file that sets an option, by the name of the option.

    Only the `chosen` command has options, or all of them do. The others are known by name, to save the time
    of making their options; a line that begins with its command needs not even the names: it is `alone`.
    Raises `InputError` for a variable or a file that sets an option to what it cannot be.
    """
    parser = _Parser(prog="imgfetch", description=help_texts.PROGRAM)
    parser.add_argument("--version", action="version", version=f"imgfetch {imgfetch.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    set_by: dict[str, str] = {}
    for name in [chosen] if alone and chosen in help_texts.COMMANDS else help_texts.COMMANDS:
        command = _add_parser(commands, name, help_texts.COMMANDS[name])
        command.set_defaults(command=name)
        if chosen not in (None, name):
            continue
        if name in GROUPS:
            _add_arguments(command, name, configured or {}, set_by)
            continue
        actions = command.add_subparsers(metavar="ACTION", required=True, dest="action")
        for action, summary in help_texts.CACHE_ACTIONS.items():
            _add_arguments(
                _add_parser(actions, action, summary), f"{name} {action}", configured or {}, set_by
            )
    return parser, set_by


def _add_parser(parsers: argparse._SubParsersAction[Any], name: str, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = parsers.add_parser(
        name, help=summary, description=summary, allow_abbrev=False
    )
    return parser


def _add_arguments(
    parser: argparse.ArgumentParser,
    command: str,
    configured: Mapping[str, Configured],
    set_by: dict[str, str],
) -> None:
    if command in _ARGUMENTS:
        dest, metavar, nargs = _ARGUMENTS[command]
        parser.add_argument(dest, metavar=metavar, nargs=nargs, help=help_texts.ARGUMENTS[command])
    for option in options_of(command):
        default: Any = argparse.SUPPRESS
        if option.is_configurable and not (command == "retry" and option.attribute in FROM_REPORT):
            setting = config.setting_of(option, configured, default=_default(command, option))
            default = setting.value
            if setting.where is not None:
                set_by[option.name] = setting.where
        _add_option(parser, option, default, help_texts.of_option(command, option))
    parser.set_defaults(**_ATTRIBUTES.get(command, {}))


def _add_option(parser: argparse.ArgumentParser, option: Option, default: object, text: str) -> None:
    names = [*([f"-{option.short}"] if option.short else []), f"--{option.name}"]
    more: dict[str, Any] = {}
    if option.kind is Kind.FLAG:
        more["action"] = "store_false" if option.negates else "store_true"
    else:
        more["metavar"] = option.metavar
        if option.kind is Kind.HEADER_FOR:
            more |= {"action": _TwoWords, "nargs": 2}
        elif option.several:
            more["action"] = "append"
        if option.kind not in (Kind.TEXT, Kind.URL, Kind.HEADER_FOR):
            more["type"] = reader_of(option)
    parser.add_argument(*names, dest=option.attribute, default=default, help=text, **more)


def _default(command: str, option: Option) -> object:
    if command == "batch" and option.name == "robots":
        return True  # it is made for crawls
    return [] if option.several else option.default


_ARGUMENTS: dict[str, tuple[str, str, str | None]] = {
    "get": ("sources", "SOURCE", "*"),
    "retry": ("input", "REPORT", None),
    "batch": ("input", "INPUT", None),
    "pick": ("sources", "SOURCE", "*"),
    "explain": ("urls", "URL", "+"),
    "cache pin": ("urls", "URL", "+"),
    "cache unpin": ("urls", "URL", "+"),
    "cache rm": ("urls", "URL", "+"),
}
"""The attribute, the name in the help and the number of the arguments that are not options."""

_ATTRIBUTES: dict[str, dict[str, Any]] = {
    command: {"key_ignore": []} for command in ("cache info", "cache ls", "cache prune")
}
"""Attributes of the parsed options that have no option there."""


class _TwoWords(argparse.Action):
    """An option of two words, which are one text elsewhere."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # noqa: ANN401 (as argparse has it)
        _: str | None = None,
    ) -> None:
        try:
            found = header_for(" ".join(values))
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentError(self, str(error)) from error
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), found])


class _Parser(argparse.ArgumentParser):
    """An argument parser that reports an error in one line."""

    def __init__(self, **keywords: Any) -> None:  # noqa: ANN401 (those of ArgumentParser)
        # argparse makes a formatter for each option, which by default asks for the width of the terminal
        # and loads shutil for that.
        super().__init__(**keywords, formatter_class=partial(argparse.HelpFormatter, width=80))

    def format_help(self) -> str:
        self.formatter_class = argparse.HelpFormatter
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        raise InputError(ErrorKind.BAD_INPUT, f"{message}; see {self.prog} --help")
