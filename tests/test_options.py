"""The table of options: each fits what it sets, and is documented."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imgfetch.api.cache import Cache
from imgfetch.api.client import Client
from imgfetch.cli import help_texts
from imgfetch.cli.options import build, parse
from imgfetch.model.options import FROM_REPORT, GROUPS, OPTIONS, Group, every, options_of
from imgfetch.model.request import Limits

if TYPE_CHECKING:
    from imgfetch.model.options import Option


@pytest.mark.parametrize("option", [option for option in every() if option.keyword], ids=lambda o: o.name)
def test_an_option_for_a_keyword_of_client_has_its_default(option: Option) -> None:
    default = inspect.signature(Client).parameters[option.keyword].default
    assert option.default == default or not (option.default or default)


def test_the_options_of_limits_are_fields_with_their_defaults() -> None:
    options = {option.attribute: option.default for option in every() if option.is_limit}
    assert options.items() <= Limits()._asdict().items()
    assert Limits()._asdict().keys() - options.keys() == {"backoff_cap", "lowest_speed_time"}


def test_prune_spares_what_the_library_spares() -> None:
    (grace,) = (option for option in OPTIONS[Group.PRUNING] if option.name == "grace")
    assert grace.default == inspect.signature(Cache.prune).parameters["grace"].default


def test_every_group_belongs_to_a_command_and_has_options() -> None:
    assert {group for groups in GROUPS.values() for group in groups} == set(Group) == set(OPTIONS)


@pytest.mark.parametrize("command", GROUPS)
def test_no_two_options_of_a_command_have_a_name_or_a_letter_in_common(command: str) -> None:
    names = [name for option in options_of(command) for name in (option.name, option.short) if name]
    assert len(names) == len(set(names))


def test_retry_has_an_option_for_each_attribute_of_its_report() -> None:
    assert {option.attribute for option in options_of("retry")} >= FROM_REPORT


def test_every_option_and_command_has_a_help_text() -> None:
    commands = [name.partition(" ")[0] for name in GROUPS]
    assert list(dict.fromkeys(commands)) == list(help_texts.COMMANDS)
    for command in GROUPS:
        for option in options_of(command):
            assert help_texts.of_option(command, option)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("get", "initial retry delay (0.5s)"),
        ("get", "time without data before giving up (20s)"),
        ("get", "time per image, retries included (120s)"),
        ("get", "largest file, in bytes (50,000,000)"),
        ("get", "after this time; 0 for always (7d)"),
        ("get", "checks before an image is stored: none, structure, full, thorough (full)"),
        ("get", "folder of the stored images (./cache)"),
    ],
)
def test_the_help_shows_defaults_with_their_units(command: str, text: str) -> None:
    texts = [help_texts.of_option(command, option) for option in options_of(command)]
    assert any(text in found for found in texts)


def test_grace_is_shown_in_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    parser, _ = build("cache")
    with pytest.raises(SystemExit):
        parser.parse_args(["cache", "prune", "--help"])
    assert "(70m)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "size"),
    [("500k", 500_000), ("2M", 2_000_000), ("50 MB", 50_000_000), ("10kb", 10_000), ("7B", 7)],
)
def test_a_size_is_read_as_people_and_documents_write_it(text: str, size: int) -> None:
    assert parse(["get", "--max-bytes", text]).max_bytes == size


def test_a_list_in_a_file_may_be_empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("imgfetch.toml").write_text('[tool.imgfetch]\ninclude = []\nkinds = ["img", "+icon"]\n')
    options = parse(["get"])
    assert (options.include, options.kinds) == ([], "img,+icon")
