"""The targets of `make fuzz`, on damaged seeds: a little of it in every run of the suite."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.rules.http import urls
from targets import BASE, TARGETS, seeds

CHANGES = st.lists(
    st.tuples(st.integers(0, 4999), st.integers(0, 9), st.binary(max_size=9)), min_size=1, max_size=4
)
EXAMPLES = {"pixels": 40, "structure": 80, "head": 80}


@pytest.mark.parametrize("name", TARGETS)
def test_what_holds_of_any_input_holds_of_sound_input(name: str) -> None:
    assert seeds(name)
    for data in seeds(name):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_what_holds_of_any_input_holds_of_damaged_input(name: str) -> None:
    @settings(deadline=None, max_examples=EXAMPLES.get(name, 120))
    @given(st.sampled_from(seeds(name)), CHANGES)
    def check(data: bytes, changes: list[tuple[int, int, bytes]]) -> None:
        for at, gone, new in changes:
            at %= len(data) + 1
            data = data[:at] + new + data[at + gone :]
        TARGETS[name](data)

    check()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("links", b"//b\xc3\xbccher.examp[le\\a"),  # urljoin raises
    ],
)
def test_what_was_found_once_is_not_found_again(name: str, data: bytes) -> None:
    TARGETS[name](data)


def test_a_target_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "redact", lambda url: url)
    with pytest.raises(AssertionError):
        TARGETS["links"](BASE.encode() + b"\0")
