"""What is written down of a run is read again as it was, and what nobody wrote is named."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.model.image import Format
from imgfetch.model.markup import Candidate, Policy, Source, SourceKind, SourceSet, Viewport
from imgfetch.rules.store import jsonl

numbers = st.integers(1, 10**6)
densities = st.floats(0.01, 100, allow_nan=False)
candidates = st.lists(
    st.builds(
        Candidate, st.text(), st.none() | numbers, height=st.none() | numbers, density=st.none() | densities
    ),
    max_size=3,
).map(tuple)
sources = st.lists(st.builds(Source, candidates, st.text(), st.text(), st.text()), max_size=2).map(tuple)
source_sets = st.builds(
    lambda *offered: SourceSet(offered[0], offered[1], offered[2], sources=offered[3]),
    candidates,
    st.sampled_from(SourceKind),
    st.text(),
    sources,
)
ways = st.fixed_dictionaries(
    {},
    optional={
        "width": numbers,
        "viewport": st.builds(
            Viewport, densities, densities, densities, densities, color_scheme=st.text(min_size=1)
        ),
        "policy": st.sampled_from(Policy).filter(lambda policy: policy is not Policy.COVER),
        "formats": st.frozensets(st.sampled_from(Format)),
        "every": st.just(True),
        "base_url": st.text(min_size=1),
    },
)


@settings(deadline=None)
@given(source_sets)
def test_reads_a_source_set_as_it_was_written(source_set: SourceSet) -> None:
    line = jsonl.line(jsonl.offered(source_set))
    assert (line.count("\n"), line.isascii()) == (1, True)
    assert jsonl.source_set_of(jsonl.members_of(line)) == source_set


@settings(deadline=None)
@given(ways)
def test_reads_options_as_they_were_written(way: dict[str, object]) -> None:
    assert jsonl.choosing_of(jsonl.members_of(jsonl.line(jsonl.asked(way)))) == way


def test_writes_no_defaults() -> None:
    assert jsonl.asked({"width": None, "policy": "cover", "formats": None, "every": False}) == {}
    assert jsonl.asked({"viewport": Viewport(1280.0, 720, 2)}) == {
        "viewport": {"width": 1280, "height": 720, "dpr": 2}
    }
    assert jsonl.asked({"formats": ["webp", "avif"]}) == jsonl.asked({"formats": {Format.AVIF, Format.WEBP}})


NAMES = ["width", "viewport", "policy", "formats", "every", "candidates", "kind", "url", "density", "sources"]


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES), inner),
    )
)
def test_any_other_value_is_a_value_error(value: object) -> None:
    for read in (jsonl.choosing_of, jsonl.source_set_of):
        with suppress(ValueError):
            read(jsonl.members_of(json.dumps(value)))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[1]", "[1] where an object was expected"),
        ('{"width": "wide"}', "'width' is 'wide'"),
        ('{"width": true}', "'width' is True"),
        ('{"viewport": {"width": 3}}', "no height"),
        ('{"policy": "best"}', "'best' is not one of cover"),
        ('{"formats": ["psd"]}', "'psd' is not one of jpeg"),
    ],
)
def test_names_a_line_that_cannot_be_read(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=".") as caught:
        jsonl.choosing_of(jsonl.members_of(text))
    assert word in str(caught.value)


@pytest.mark.parametrize("text", ['{"viewport": {"width": NaN, "height": 1}}', '{"width": Infinity}'])
def test_what_is_not_a_number_of_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        jsonl.members_of(text)
