"""The configuration: variables, files and flags, and the options that each may set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from command import LOCAL, Ran
from configured import of_user
from imgfetch.demo import news
from imgfetch.model.options import names

if TYPE_CHECKING:
    from origin import Origin

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def origin(news_origin: Origin) -> Origin:
    return news_origin


def test_a_flag_overrides_variables_and_files(
    origin: Origin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def picked(*arguments: str) -> str:
        return Ran(capsys, "pick", "news.txt", *arguments).lines[0].rpartition("_")[2]

    assert picked() == "1920.webp"
    Path("pyproject.toml").write_text("[tool.imgfetch]\nwidth = 500\n")
    assert picked() == "768.webp"
    Path("imgfetch.toml").write_text("[tool.imgfetch]\npolicy = 'smallest'\n")
    assert picked() == "480.webp"
    monkeypatch.setenv("IMGFETCH_POLICY", "largest")
    assert picked() == "1920.webp"
    assert picked("--policy", "cover", "-w", "700") == "768.webp"
    monkeypatch.setenv("IMGFETCH_POLICY", "best")
    assert "'best' is not one of" in Ran(capsys, "pick", "news.txt").err
    monkeypatch.delenv("IMGFETCH_POLICY")
    of_user("policy = 'largest'")
    assert picked() == "1920.webp"  # it goes before the folder's
    monkeypatch.setenv("IMGFETCH_POLICY", "smallest")
    assert picked() == "480.webp"  # and a variable before it
    monkeypatch.delenv("IMGFETCH_POLICY")
    of_user("[tool.imgfetch]\nwidth = 500")
    assert picked("--policy", "cover") == "768.webp"
    Path("imgfetch.toml").unlink()
    of_user("")
    assert picked() == "768.webp"  # pyproject.toml again


def test_a_folder_sets_only_the_options_that_choose_images(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody else may have written it: it must not send secrets, reach hosts or write files."""
    hostile = """
        width = 500
        proxy = "http://127.0.0.1:9/"
        header = ["Cookie: theirs"]
        allow-host = ["127.0.0.1"]
        ca_bundle = "theirs.pem"
        directory = "dropped"
        report = "dropped"
        lock = "dropped"
        cache = "theirs"
        max-bytes = "1k"
        bogus = 1
    """
    for name in ("pyproject.toml", "imgfetch.toml"):
        Path(name).write_text(f"[tool.imgfetch]\n{hostile}")
        before = origin.asked()
        ran = Ran(capsys, "get", "news.txt", "--refresh")
        assert (ran.code, origin.asked()) == (1, before)
        assert "127.0.0.1 is an internal address" in ran.err
        ran = Ran(capsys, "get", "news.txt", "--refresh", "--no-reuse", *LOCAL)
        assert (ran.code, ran.lines[0].startswith(str(Path("cache").absolute()))) == (0, True), ran.err
        (notice,) = [line for line in ran.err.splitlines() if name in line]
        names = "'allow-host', 'ca-bundle', 'cache', 'directory', 'header', 'lock', 'max-bytes', 'proxy'"
        assert f"{names} and 1 more are ignored in the current directory" in notice
        assert (
            f"may stand in {os.environ['XDG_CONFIG_HOME']}/imgfetch/config.toml, IMGFETCH_ALLOW_HOST or a"
            in notice
        )
        assert "'bogus' is not an option" in notice
        assert not Path("dropped").exists()
        assert not Path("theirs").exists()
        assert Ran(capsys, "get", "-q", "news.txt", *LOCAL).err == ""
    assert "cookie" not in origin.requests[-1].headers
    assert origin.requests[-1].path == news.PATHS[768]  # the width is what it may choose


def test_what_a_folder_may_set_is_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    """An option that is new is not on it unless somebody puts it there."""
    allowed = names(in_folder=True)
    assert {"width", "viewport", "policy", "formats", "base"} <= allowed
    for name in sorted(names() - allowed):
        Path("imgfetch.toml").write_text(f"[tool.imgfetch]\n{name} = 'theirs'\n")
        ran = Ran(capsys, "pick", "https://h.example/a.webp", "--offline")
        assert (ran.code, len(ran.err.splitlines())) == (0, 1), name
        assert f"'{name}' is ignored in the current directory" in ran.err


def test_the_user_may_set_everything_in_a_file_of_their_own(
    origin: Origin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = of_user('cache = "mine"\nallow-host = ["127.0.0.1"]\ntotal_timeout = "9s"')
    ran = Ran(capsys, "get", "news.txt", "-w", "500")
    assert (ran.code, Path("mine").is_dir(), Path("cache").exists()) == (0, True, False), ran.err
    for text, word in (
        ("bogus = 1", "'bogus' is not an option"),
        ("cache = [", "not TOML"),
        ("jobs = 'x'", "jobs: 'x' is not a whole number"),
        ("a = " + "[" * 5000, "not TOML"),
        ("width = " + "9" * 5000, "not TOML"),
        (".".join(["a"] * 200_000) + " = 1", "a key of more than 64 parts"),
        ("[" + ' . "\\"." . '.join(["a"] * 40_000) + "]\nb = 1", "a key of more than 64 parts"),
        ("#" * 1_000_001, "larger than 1,000,000 bytes"),
    ):
        of_user(text)
        ran = Ran(capsys, "get", "news.txt")
        assert (ran.code, len(ran.err.splitlines())) == (2, 1), ran.err
        assert ran.err.startswith(f"imgfetch: {file}: {word}"), ran.err
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")  # the standard has it ignored
    monkeypatch.setenv("HOME", str(Path("home").absolute()))
    assert Ran(capsys, "get", "news.txt", *LOCAL).code == 0
    file.parent.parent.rename("home-config")
    Path("home").mkdir()
    Path("home-config").rename("home/.config")
    assert Ran(capsys, "get", "news.txt", *LOCAL).code == 2


def test_a_pipe_or_a_folder_in_place_of_a_configuration_is_ignored(
    origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo("imgfetch.toml")
    Path("pyproject.toml").mkdir()
    file = of_user("")
    file.unlink()
    os.mkfifo(file)
    assert Ran(capsys, "get", "news.txt", "-w", "500", *LOCAL).code == 0


def test_a_variable_that_sets_nothing_is_named(
    origin: Origin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMGFETCH_WIDHT", "500")
    monkeypatch.setenv("IMGFETCH_COLUMN", "mine")  # of another command
    monkeypatch.setenv("IMGFETCH_HELP", "yes")
    monkeypatch.setenv("IMGFETCH_DEBUG", "")
    for command in (["pick", "news.txt"], ["cache", "info"], ["explain", "https://h.example/a"], ["doctor"]):
        said = [line for line in Ran(capsys, *command).err.splitlines() if "is not a variable" in line]
        unknown = "is not a variable of imgfetch and is ignored"
        assert said == [
            f"imgfetch: 'IMGFETCH_HELP' {unknown}",
            f"imgfetch: 'IMGFETCH_WIDHT' {unknown}; did you mean IMGFETCH_WIDTH?",
        ]
    assert "variable" not in Ran(capsys, "pick", "-q", "news.txt").err


def test_a_configuration_of_the_wrong_type_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def complaint(text: str) -> str:
        Path("imgfetch.toml").write_text(text)
        ran = Ran(capsys, "get", "https://h.example/a.webp", "--offline")
        assert (ran.code, len(ran.err.splitlines())) == (2, 1), ran.err
        return ran.err

    assert "not TOML" in complaint("[tool.imgfetch")
    assert "no table [tool.imgfetch]" in complaint("width = 3")
    assert "imgfetch.toml: base: [] is neither" in complaint("[tool.imgfetch]\nbase = []")
    assert "formats: {'a': 'b'} is neither" in complaint("[tool.imgfetch]\nformats = {a='b'}")
    assert "width: 'x' is not a whole number" in complaint("[tool.imgfetch]\nwidth = 'x'")
    Path("imgfetch.toml").write_text("[tool.imgfetch]\nformats = ['webp', 'jpeg']\n")
    monkeypatch.setenv("IMGFETCH_QUIET", "maybe")
    assert "'maybe' is neither yes nor no" in Ran(capsys, "get", "https://h.example/a.webp", "--offline").err
    monkeypatch.setenv("IMGFETCH_QUIET", "")
    assert Ran(capsys, "get", "https://h.example/a.webp", "--offline").code == 1
