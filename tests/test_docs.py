"""What the documentation says is run, and what can be typed is in the documentation."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import imgfetch
from imgfetch.cli import main, options
from imgfetch.errors import error_for
from imgfetch.model.options import every
from imgfetch.model.result import ErrorKind, Failure

if TYPE_CHECKING:
    from origin import Origin

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def news_txt(news_origin: Origin, monkeypatch: pytest.MonkeyPatch) -> Origin:
    """The folder of a user who has a crawled text, and whose origin is on the loopback interface."""
    monkeypatch.setenv("IMGFETCH_ALLOW_HOST", "127.0.0.1")
    Path("page.html").write_text("<img srcset='a.webp 480w, b.webp 1170w' sizes=100vw>", encoding="utf-8")
    return news_origin


def test_every_command_of_the_readme_does_what_it_says(
    news_txt: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = [
        line.partition("#")[0] for line in "".join(blocks("sh")).splitlines() if line.startswith("imgfetch")
    ]
    assert len(commands) == 5
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0, command
    assert news_txt.asked() == 1
    assert "1280w is the smallest of 4 that covers 800 device pixels" in capsys.readouterr().out


def test_the_python_of_the_readme_runs(news_txt: Origin) -> None:
    assert main(["get", "news.txt", "-w", "800"]) == 0
    for snippet in blocks("python"):
        ran = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.strip()
    assert news_txt.asked() == 1


def test_the_readmes_make_targets_exist() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"make ([a-z]+)", README)) <= set(targets)


def test_every_command_and_option_is_in_the_documentation() -> None:
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    parser, _ = options.build()
    names = {f"--{option.name}" for option in every()}
    names |= {f"-{option.short}" for option in every() if option.short}
    (choices,) = (a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    for word in {f"imgfetch {name}" for name in choices} | names:
        assert re.search(rf"{re.escape(word)}\b", text), f"{word} is not in docs/cli.md"


def test_every_kind_of_error_is_in_the_documentation_under_its_class() -> None:
    text = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    section = ""
    documented = {}
    for line in text.splitlines():
        match = re.match(r"\| (?:`(\w+)` )?\| `(\w+)` \|", line)
        if match:
            section = match[1] or section
            documented[match[2]] = section
    assert documented == {reason: type(error_for(Failure(reason, "", ""))).__name__ for reason in ErrorKind}


def test_every_public_name_can_be_imported_and_has_a_docstring() -> None:
    for name in imgfetch.__all__:
        thing = getattr(imgfetch, name)
        assert name == "__version__" or thing.__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        imgfetch.nonsense  # noqa: B018


def test_the_links_of_the_documentation_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "cache/README.md", *ROOT.glob("docs/*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_code_map_has_every_module() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    mapped = text.partition("## Code map")[2].partition("## On disk")[0]
    modules = {path.stem for path in (ROOT / "imgfetch").rglob("*.py") if not path.stem.startswith("__")}
    named = {name.split(".")[-1] for name in re.findall(r"`([\w.]+)`", mapped.replace(".py`", "`"))}
    assert modules <= named, modules - named


def test_no_package_has_more_than_16_modules_and_no_module_more_than_400_lines() -> None:
    packages: dict[str, int] = {}
    for path in (ROOT / "imgfetch").rglob("*.py"):
        packages[str(path.parent)] = packages.get(str(path.parent), 0) + (path.stem != "__init__")
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
    assert {name for name, modules in packages.items() if modules > 16} == set()
