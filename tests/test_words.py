"""The prose of the code and of the documents: plain sentences, standard terms, imperative first lines."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parent.parent

FIRST_WORDS = {"what", "whether", "where", "how", "why", "of", "who", "whoever", "whose", "which", "until"}
"""First words of a function's docstring that are not a verb. Properties are documented like attributes."""

PATTERNS = {
    "name the process, the caller or the value": r"\b(who|whom|whose|whoever|nobody|no one)\b",
    "say what it is": r"(?<!there )\bis (no|none of) (?!longer\b|more\b|less\b|greater\b|fewer\b)[a-z]+",
    "use the standard's term": (
        r"\b(errands?|patience|doorstep|(?<!single )flights?|lanes?|rooms?|doors?|in the air|on record"
        r"|stands? in for|let go of|gone on with|unasked)\b"
    ),
    "begin with the noun": r"\A(Of|For) (the|a|an|its|each|several|all)\b",
}


class Docstring(NamedTuple):
    """A docstring, and the name that it documents."""

    name: str
    text: str
    of_function: bool


def docstrings(path: Path) -> Iterator[Docstring]:
    """Yield every docstring of a module: its own, those of classes and functions, and those of attributes."""
    module = path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        text = ast.get_docstring(node)
        if text:
            yield Docstring(f"{module}:{getattr(node, 'name', '')}", text, is_plain_function(node))
        for before, after in zip(node.body, node.body[1:], strict=False):
            if isinstance(before, ast.AnnAssign | ast.Assign) and isinstance(after, ast.Expr):
                target = before.target if isinstance(before, ast.AnnAssign) else before.targets[0]
                if isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
                    yield Docstring(f"{module}:{ast.unparse(target)}", after.value.value, False)


def is_plain_function(node: ast.AST) -> bool:
    """Return True for a function or method that is not a property."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return not any("property" in ast.unparse(decorator) for decorator in node.decorator_list)


def faults(found: Iterable[Docstring]) -> Iterator[str]:
    """Yield a line for each docstring that has a pattern."""
    for name, text, of_function in found:
        if of_function and re.split(r"\W", text, maxsplit=1)[0].lower() in FIRST_WORDS:
            yield f"{name}: begin with a verb: {text.splitlines()[0]}"
        for advice, pattern in PATTERNS.items():
            match = re.search(pattern, text, 0 if pattern.startswith(r"\A") else re.IGNORECASE)
            if match is not None:
                yield f"{name}: {advice}, not {match[0]!r}"


PARTS = sorted(
    path.name
    for path in (ROOT / "imgfetch").iterdir()
    if path.suffix == ".py" or (path / "__init__.py").exists()
)


@pytest.mark.parametrize("part", PARTS)
def test_docstrings_are_plain(part: str) -> None:
    path = ROOT / "imgfetch" / part
    modules = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    assert [*faults(found for module in modules for found in docstrings(module))] == []


@pytest.mark.parametrize(
    "text",
    [
        "Whether an image is fresh.",
        "Return the image of whoever asks.",
        "Return None where it is no image.",
        "Serve the entry unasked.",
        "Of the file, open for reading.",
    ],
)
def test_a_pattern_is_found(text: str) -> None:
    assert len([*faults([Docstring("imgfetch/a.py:b", text, of_function=True)])]) >= 1


def test_a_plain_docstring_has_no_pattern() -> None:
    text = "Return the stored response; there is no lock, and the image is no longer fresh."
    assert [*faults([Docstring("imgfetch/a.py:b", text, of_function=True)])] == []


PAGES = (
    "README.md",
    "cache/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)
"""The pages that are held to short sentences."""


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a page in Markdown, without its code, tables, headings and comments."""
    text = re.sub(r"^```.*?^```$|<!--.*?-->", "\n", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(#|\||    ).*$", "\n", text, flags=re.MULTILINE)
    for paragraph in re.split(r"\n\s*\n|^[-*] |^[0-9]+\. ", text, flags=re.MULTILINE):
        for sentence in re.split(r"(?<=[.!?])\s+", paragraph.strip()):
            if len(sentence.split()) > 1:
                yield sentence


@pytest.mark.parametrize("page", PAGES)
def test_sentences_of_a_page_are_short(page: str) -> None:
    assert mean(len(sentence.split()) for sentence in sentences((ROOT / page).read_text("utf-8"))) < 20
