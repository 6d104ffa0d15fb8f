"""Errors as a caller reads them: the limit that was hit, and how to change it."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import pytest

import imgfetch.model.values
from imgfetch.cli.summary import with_option
from imgfetch.errors import PolicyError, error_for, limit_hint
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.rules.policy import retry

if TYPE_CHECKING:
    from imgfetch.model.values import LimitName


def test_a_limit_that_a_failure_names_is_a_field_of_limits() -> None:
    names = get_args(eval(str(imgfetch.model.values.LimitName), {"Literal": Literal}))
    assert names
    assert set(names) <= set(Limits._fields)


@pytest.mark.parametrize("limit", ["max_bytes", "decode_memory"])
def test_the_hint_names_the_keyword_in_the_library_and_the_option_on_the_command_line(
    limit: LimitName,
) -> None:
    error = PolicyError(ErrorKind.TOO_LARGE, "too large", "https://h/", limit=limit)
    assert str(error) == f"https://h/: too large; Limits({limit}=…) sets the limit"
    failed = error.failed()
    assert (failed.limit, failed.hint) == (limit, limit_hint(limit))
    option = limit.replace("_", "-")
    assert str(error_for(with_option(failed))) == f"https://h/: too large; --{option} sets the limit"


def test_a_better_hint_than_that_of_the_limit_stays() -> None:
    failed = PolicyError(ErrorKind.TOO_LARGE, "too large", hint="look there", limit="max_bytes").failed()
    assert with_option(failed) == failed


def test_an_error_keeps_its_limit_when_it_is_pickled() -> None:
    error = PolicyError(ErrorKind.TOO_LARGE, "too large", limit="max_bytes")
    assert pickle.loads(pickle.dumps(error)).limit == "max_bytes"


def test_a_failure_keeps_the_earlier_names_of_its_fields() -> None:
    failure = Failure(ErrorKind.DNS, "no such host", "https://h.example/a", position=3)
    assert (failure.reason, failure.place) == (failure.kind, failure.position) == (ErrorKind.DNS, 3)


@pytest.mark.parametrize(
    ("kind", "hint", "keyword", "option"),
    [
        ("blocked", retry.allow_host("10.0.0.1"), 'allow_hosts=["10.0.0.1"]', "--allow-host 10.0.0.1"),
        ("tls", retry.NEEDS_AUTHORITY, "ca_bundle=", "--ca-bundle"),
        ("io", retry.NEEDS_FILES, "Limits(jobs=", "--jobs"),
        ("not_locked", retry.LOCK_ANEW, "locked=False", "without --locked"),
        ("bad_input", retry.NO_LOCK, "Client(lock=", "get --lock FILE"),
    ],
)
def test_a_hint_names_keywords_in_the_library_and_options_on_the_command_line(
    kind: str, hint: str, keyword: str, option: str
) -> None:
    failed = Failure(ErrorKind(kind), "refused", "https://h/", hint=hint)
    assert keyword in str(error_for(failed))
    assert option in str(error_for(with_option(failed)))


SPEAK_OPTIONS = ("cli/", "demo/", "outputs/", "readers/rows/", "model/options.py", "api/doctor.py")
"""The command line, and what it alone uses."""


def test_the_library_never_names_an_option() -> None:
    root = Path(retry.__file__).parents[2]
    named = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if name.startswith(SPEAK_OPTIONS):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        named += [
            f"{name}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in prose
            and re.search(r"(?<![\w<!-])--[a-z]", node.value)
        ]
    assert named == []
