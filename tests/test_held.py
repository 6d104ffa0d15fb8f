"""What is looked up together is served as what is looked up by itself, whatever is held."""

from __future__ import annotations

import tempfile
from contextlib import closing
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import MemoryStore
from imgfetch.engine.lookup import consult, held, look_up, wanted_of
from imgfetch.model.image import Facts, Format, Verified, VerifyLevel
from imgfetch.model.markup import Candidate, Choice, Policy, SourceSet
from imgfetch.model.request import Head, Settings
from imgfetch.model.result import Served
from imgfetch.model.values import Digest, Key
from imgfetch.store.disk_store import DiskStore
from keeping import digest, keep_proved, written

if TYPE_CHECKING:
    from keeping import Cache

T = 1_700_000_000.0
_URLS = [f"https://h.example/{name}.webp" for name in "uvwxyz"]
_BODIES = [b"small", b"also small", b"\0" * 40_000]
_FIELDS = st.lists(
    st.sampled_from(
        [
            ("cache-control", "max-age=60"),
            ("cache-control", "no-store"),
            ("cache-control", "no-cache"),
            ("cache-control", "max-age=60, stale-while-revalidate=600"),
            ("age", "50"),
            ("vary", "accept"),
            ("vary", "*"),
            ("pragma", "no-cache"),
            ("expires", "0"),
            ("x-robots-tag", "noai, noindex"),
        ]
    ),
    max_size=2,
).map(tuple)
_ORDINARY = st.builds(
    lambda url, data: (url, data, Format.WEBP, 480, ("length", "structure", "decode"), 200, (), (), None, ""),
    st.sampled_from(_URLS),
    st.sampled_from(_BODIES),
)
_ODD = st.tuples(
    st.sampled_from(_URLS),
    st.sampled_from(_BODIES),
    st.sampled_from([Format.WEBP, Format.PNG, Format.OTHER]),
    st.sampled_from([1, 40, 480]),
    st.sampled_from([("length", "structure", "decode"), ("structure", "decode", "thorough"), ("structure",)]),
    st.sampled_from([200, 404]),
    _FIELDS,
    st.sampled_from([(), (("accept", "image/png"),)]),
    st.sampled_from([None, 30.0]),
    st.sampled_from(["", "https://h.example/removed.png"]),
)
_KEPT = st.lists(st.one_of(_ORDINARY, _ODD), min_size=3, max_size=12)
_ASKED = st.lists(
    st.tuples(
        st.sampled_from([*_URLS, "https://h\0/", f"{_URLS[0]}?utm_x=1"]),
        st.sampled_from([None, 480, 1000]),
        st.sampled_from([None, digest(b"small")]),
    ),
    min_size=4,
    max_size=20,
)
_SETTINGS = st.builds(
    Settings,
    level=st.sampled_from(VerifyLevel),
    strict_width=st.booleans(),
    reject_fakes=st.booleans(),
    refresh=st.sampled_from([False, False, False, True]),
    offline=st.booleans(),
    key_ignore=st.sampled_from([(), ("utm_*",)]),
    robots=st.sampled_from(["", "imgfetch"]),
)
_Kept = tuple[
    str,
    bytes,
    Format,
    int,
    tuple[str, ...],
    int,
    tuple[tuple[str, str], ...],
    tuple[tuple[str, str], ...],
    float | None,
    str,
]
_Asked = list[tuple[str, int | None, Digest | None]]


def check(store: Cache, kept: list[_Kept], asked: _Asked, wanted: Settings, later: float) -> int:
    """Keep some, ask for others together and one by one; how many were answered together."""
    for url, data, form, width, verified, status, fields, selected, bound, found in kept:
        seen = Facts(form, width, width, 1, len(data), digest(data), verified)
        head = Head(found or url, status, fields)
        proof = Verified(seen, written(store, data))
        keep_proved(
            store, proof, Key(url), head, request_time=T - 1, response_time=T, selected=selected, bound=bound
        )
    choices = [_choice(url, width) for url, width, _ in asked]
    together = look_up(choices, store, wanted, now=T + later)
    for choice, (_, _, sha256) in zip(choices, asked, strict=True):
        alone = held(choice, store, wanted, now=T + later, sha256=sha256)
        assert held(choice, store, wanted, now=T + later, sha256=sha256, seen=together) == alone
        asked_with = wanted_of(choice.candidate, wanted, sha256)
        considered = consult(choice.url, store, asked_with, wanted, now=T + later)
        assert consult(choice.url, store, asked_with, wanted, now=T + later, seen=together) == considered
    return len(together.hits)


def _choice(url: str, width: int | None) -> Choice:
    candidate = Candidate(url, width)
    return Choice(candidate, (), "", Policy.COVER, width, SourceSet((candidate,)))


_LATER = st.sampled_from([0.0, 29.0, 59.0, -1.0, -100.0, 1e6])


@settings(deadline=None, max_examples=400)
@given(_KEPT, _ASKED, _SETTINGS, _LATER)
def test_what_is_seen_together_is_served_as_what_is_found_alone(
    kept: list[_Kept], asked: _Asked, wanted: Settings, later: float
) -> None:
    check(MemoryStore(), kept, asked, wanted, later)


@settings(deadline=None, max_examples=25)
@given(_KEPT, _ASKED, _SETTINGS, _LATER)
def test_so_it_is_on_disk_where_as_much_is_seen_together(
    kept: list[_Kept], asked: _Asked, wanted: Settings, later: float
) -> None:
    together = check(MemoryStore(), kept, asked, wanted, later)
    with tempfile.TemporaryDirectory() as folder, closing(DiskStore(folder)) as store:
        assert check(store, kept, asked, wanted, later) == together


def test_what_was_seen_a_while_ago_is_looked_at_again() -> None:
    store, wanted = MemoryStore(), Settings()
    seen = Facts(Format.WEBP, 480, 480, 1, 5, digest(b"small"), ("structure", "decode"))
    head = Head(_URLS[0], 200, (("cache-control", "max-age=60"),))
    keep_proved(
        store, Verified(seen, written(store, b"small")), Key(_URLS[0]), head, request_time=T, response_time=T
    )
    choice = _choice(_URLS[0], None)
    together = look_up([choice], store, wanted, now=T + 59)
    store.entries.clear()
    assert isinstance(held(choice, store, wanted, now=T + 60, seen=together), Served)
    assert held(choice, store, wanted, now=T + 60.5, seen=together) is None
    assert held(choice, store, wanted, now=T + 58, seen=together) is None
