"""Errors as a caller reads them: the limit that was hit, and how to change it."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Literal, get_args

import pytest

import imgfetch.model.values
from imgfetch.cli.summary import with_option
from imgfetch.errors import PolicyError, error_for, limit_hint
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind, Failure

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
