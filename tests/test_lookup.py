"""One lookup answers for many keys what `Store.find` would answer for each of them alone."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import aclosing, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import MemoryStore
from imgfetch import Client, Lock
from imgfetch.api.jobs import complete, jobs_of, template
from imgfetch.api.results import Image
from imgfetch.engine.lookup import consult, look_up, serve_stored, wanted_of
from imgfetch.errors import ImgfetchError
from imgfetch.model.image import Entry, Facts, Format, Verified, VerifyLevel
from imgfetch.model.markup import Candidate, Choice, Policy, SourceSet, Viewport
from imgfetch.model.request import Fetch, Head, Settings
from imgfetch.model.result import ErrorKind, Failure, Served
from imgfetch.model.values import Digest, Key
from imgfetch.rules.policy.fetch_policy import fetch_of
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.index import rows
from imgfetch.store.layout import INDEX
from imgfetch.store.lookup_sql import EXTENSIONS, is_sound
from imgfetch.system.clock import SystemClock
from keeping import digest, facts, keep_proved, written

if TYPE_CHECKING:
    from imgfetch.api.selection.choosing import Choosing
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
_ENTRIES = st.lists(st.one_of(_ORDINARY, _ODD), min_size=3, max_size=12)
_REQUESTED = st.lists(
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
_StoredImage = tuple[
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
_Requested = list[tuple[str, int | None, Digest | None]]


def check(
    store: Cache, entries: list[_StoredImage], requested: _Requested, wanted: Settings, later: float
) -> int:
    """Store some, look others up together and one by one; return the number of hits."""
    for url, data, form, width, verified, status, fields, selected, bound, found in entries:
        seen = Facts(form, width, width, 1, len(data), digest(data), verified)
        head = Head(found or url, status, fields)
        proof = Verified(seen, written(store, data))
        keep_proved(
            store, proof, Key(url), head, request_time=T - 1, response_time=T, selected=selected, bound=bound
        )
    choices = [_choice(url, width) for url, width, _ in requested]
    together = look_up(choices, store, wanted, now=T + later)
    for choice, (_, _, sha256) in zip(choices, requested, strict=True):
        alone = serve_stored(choice, store, wanted, now=T + later, sha256=sha256)
        assert serve_stored(choice, store, wanted, now=T + later, sha256=sha256, lookup=together) == alone
        fetch = fetch_of(choice.url, wanted_of(choice, choice.candidate, wanted, sha256), wanted)
        if isinstance(fetch, Fetch):
            considered = consult(fetch, store, wanted, now=T + later)
            assert consult(fetch, store, wanted, now=T + later, seen=together) == considered
    return len(together.hits)


def _choice(url: str, width: int | None) -> Choice:
    candidate = Candidate(url, width)
    return Choice(candidate, (), "", Policy.COVER, width, SourceSet((candidate,)))


_LATER = st.sampled_from([0.0, 29.0, 59.0, -1.0, -100.0, 1e6])


@settings(deadline=None, max_examples=400)
@given(_ENTRIES, _REQUESTED, _SETTINGS, _LATER)
def test_serves_the_same_with_and_without_a_common_lookup(
    entries: list[_StoredImage], requested: _Requested, wanted: Settings, later: float
) -> None:
    check(MemoryStore(), entries, requested, wanted, later)


@settings(deadline=None, max_examples=25)
@given(_ENTRIES, _REQUESTED, _SETTINGS, _LATER)
def test_the_store_on_disk_has_the_hits_of_the_store_in_memory(
    entries: list[_StoredImage], requested: _Requested, wanted: Settings, later: float
) -> None:
    together = check(MemoryStore(), entries, requested, wanted, later)
    with tempfile.TemporaryDirectory() as folder, closing(DiskStore(folder)) as store:
        assert check(store, entries, requested, wanted, later) == together


def test_an_old_lookup_is_not_used() -> None:
    store, wanted = MemoryStore(), Settings()
    seen = Facts(Format.WEBP, 480, 480, 1, 5, digest(b"small"), ("structure", "decode"))
    head = Head(_URLS[0], 200, (("cache-control", "max-age=60"),))
    keep_proved(
        store, Verified(seen, written(store, b"small")), Key(_URLS[0]), head, request_time=T, response_time=T
    )
    choice = _choice(_URLS[0], None)
    together = look_up([choice], store, wanted, now=T + 59)
    store.entries.clear()
    assert isinstance(serve_stored(choice, store, wanted, now=T + 60, lookup=together), Served)
    assert serve_stored(choice, store, wanted, now=T + 60.5, lookup=together) is None
    assert serve_stored(choice, store, wanted, now=T + 58, lookup=together) is None


# ---------------------------------------------------------------------------------------------------
# Rows of the index


def row(headers: object) -> tuple[Any, ...]:
    """A row of the lookup statement."""
    columns = ("key", "0" * 64, "webp", *[1] * 7, "length", "url", 200, headers, 1.0, 1.0, None)
    return (*columns, "", "", 1)


@settings(deadline=None, max_examples=300)
@given(st.text("\t\n\\x41a", max_size=12) | st.binary(max_size=3) | st.none() | st.integers())
def test_an_entry_can_be_made_of_a_sound_row(headers: object) -> None:
    if is_sound(row(headers)):
        assert rows.entry_of(row(headers)).head.url == "url"


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=3).map(tuple))
def test_all_that_is_stored_is_a_sound_row(headers: tuple[tuple[str, str], ...]) -> None:
    stored = row(rows.lines(headers))
    assert is_sound(stored)
    assert rows.entry_of(stored).head.headers == headers


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET headers = 'age'",
        "UPDATE entry SET headers = x'00'",
        "UPDATE entry SET verified = x'00'",
        "UPDATE entry SET sha256 = '../../../etc/passwd'",
        "UPDATE object SET format = 'tiff'",
        "UPDATE entry SET fresh_until = 'for ever'",
        "DELETE FROM object",
    ],
)
def test_a_row_that_is_not_sound_is_not_a_hit(statement: str, tmp_path: Path) -> None:
    now = time.time()
    with closing(DiskStore(tmp_path)) as store:
        stored(store, KEYS[0], b"a cat", at=now - 10)
        assert store.lookup([Key(KEYS[0])], now=now).hits
    with closing(sqlite3.connect(tmp_path / INDEX, isolation_level=None)) as connection:
        connection.execute(statement)
    with closing(DiskStore(tmp_path)) as store:
        assert not store.lookup([Key(KEYS[0])], now=now).hits


def test_each_format_has_its_extension() -> None:
    assert {known.value: known.extension for known in Format} == EXTENSIONS


# ---------------------------------------------------------------------------------------------------
# Jobs of URLs that are their own keys

KEYS = [f"https://photos.example/{name}.webp" for name in "abc"]


def stored(store: Cache, url: str, data: bytes, *, at: float) -> Entry:
    """Store an image that is fresh for an hour from `at` on."""
    head = Head(url, 200, (("cache-control", "max-age=3600"), ("content-type", "image/webp")))
    proof = Verified(facts(data), written(store, data))
    return keep_proved(store, proof, Key(url), head, request_time=at - 1, response_time=at)


@pytest.fixture
def cats(tmp_path: Path) -> list[Path]:
    """The paths of the images of `KEYS`, in the cache `tmp_path`."""
    with closing(DiskStore(tmp_path)) as store:
        return [store.path(stored(store, key, key.encode(), at=time.time() - 10)) for key in KEYS]


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"width": 480},
        {"policy": "largest"},
        {"viewport": Viewport(400, 800)},
        {"base_url": "", "every": False, "formats": None},
    ],
)
def test_a_job_of_a_hit_is_the_job_of_its_source(how: Choosing, tmp_path: Path, cats: list[Path]) -> None:
    client = Client(tmp_path, offline=True)
    for job, key, path in zip(client.scheduler.jobs([KEYS], how), KEYS, cats, strict=True):
        (same,) = jobs_of(key, job.index, **how)
        assert complete(job) == same
        assert job._replace(lookup=None, hit=None, source_origin=same.source_origin) == same
        assert job.hit is not None
        assert client.scheduler.try_cached(job) == [job.image_of(job.hit)]
        assert client.scheduler.try_cached(same._replace(lookup=job.lookup)) == [job.image_of(job.hit)]
        assert job.hit.path == path
    client.release()


@pytest.mark.parametrize("spelling", [" {}", "{}#top", "{} 960w, {}?2 480w", "HTTPS{}", "//user:secret@{}"])
def test_a_source_that_is_spelled_otherwise_is_read(spelling: str, tmp_path: Path, cats: list[Path]) -> None:
    source = {
        "HTTPS{}": KEYS[0].replace("https", "HTTPS"),
        "//user:secret@{}": KEYS[0].replace("//", "//user:secret@"),
    }.get(spelling, spelling.format(KEYS[0], KEYS[0]))
    client = Client(tmp_path, offline=True)
    (job,) = client.scheduler.jobs([(source,)], {})
    assert job.hit is None
    outcomes = client.scheduler.try_cached(job)
    if "secret" not in source:  # what is stored without credentials does not answer a request with them
        assert outcomes is not None
        assert [getattr(each, "path", None) for each in outcomes] == cats[:1]
    client.release()


@pytest.mark.parametrize(
    "other",
    [
        {"refresh": True},
        {"robots": True},
        {"key_ignore": ["w*"]},
        {"expect_width": 960},
        {"verify": "thorough"},
        {"headers": {"authorization": "secret"}},
        {"lock": Lock()},
    ],
)
def test_a_hit_is_judged_where_more_than_usual_is_wanted(
    other: dict[str, Any], tmp_path: Path, cats: list[Path]
) -> None:
    assert cats
    client = Client(tmp_path, **other)
    assert [job.hit for job in client.scheduler.jobs([KEYS], {})] == [None] * 3
    client.release()


@pytest.mark.parametrize("how", [{"base_url": KEYS[1]}, {"every": True}, {"formats": ["png"]}])
def test_a_choice_that_depends_on_the_url_has_no_template(how: Choosing) -> None:
    assert template(how) is None
    assert template({"policy": "best"}) is None
    with pytest.raises(TypeError, match="no such keyword: colour"):
        template({"colour": "red"})  # type: ignore[typeddict-unknown-key]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_file_whose_name_is_a_url_is_not_read(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"{scheme}://photos.example/a.webp"
    with closing(DiskStore(tmp_path / "cache")) as store:
        stored(store, url, b"a cat", at=time.time() - 10)
    file = Path(url)
    file.parent.mkdir(parents=True)
    file.write_text("https://photos.example/b.webp 480w", encoding="utf-8")
    client = Client(tmp_path / "cache", offline=True)
    one, other = client.scheduler.jobs([[url], [file]], {})
    assert one.hit is not None
    assert other.hit is None
    assert [getattr(job.choice, "url", None) for job in (one, other)] == [
        url,
        "https://photos.example/b.webp",
    ]
    client.release()


@pytest.mark.anyio
async def test_a_hit_that_is_taken_a_while_later_is_looked_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cats: list[Path]
) -> None:
    now = time.time()
    async with (
        Client(tmp_path, offline=True) as client,
        aclosing(client.get_many([*KEYS, KEYS[0]])) as outcomes,
    ):
        first = await anext(outcomes)
        cats[1].unlink()
        monkeypatch.setattr(SystemClock, "now", staticmethod(lambda: now + 2))
        rest = [outcome async for outcome in outcomes]
    second, third, fourth = sorted(rest, key=lambda each: each.index)
    assert isinstance(second, Failure)
    assert second.kind is ErrorKind.OFFLINE
    found = [each.path for each in (first, third, fourth) if isinstance(each, Image)]
    assert found == [cats[0], cats[2], cats[0]]
    assert [each.index for each in (first, second, third, fourth)] == [0, 1, 2, 3]


@pytest.mark.anyio
async def test_hits_and_misses_come_in_their_order(tmp_path: Path) -> None:
    now = time.time()
    with closing(DiskStore(tmp_path)) as store:
        for number in range(0, 300, 3):
            stored(store, f"https://photos.example/{number}.webp", str(number).encode(), at=now - 10)
    sources = [f"https://photos.example/{number}.webp" for number in range(300)]
    async with Client(tmp_path, offline=True) as client:
        for drawn in (sources, iter(sources)):
            outcomes = [outcome async for outcome in client.get_many(drawn)]
            assert [each.index for each in outcomes if isinstance(each, Image)] == [*range(0, 300, 3)]
            assert sorted(each.index for each in outcomes) == [*range(300)]
        assert (await client.get(sources[3])).path == (await client.get(f" {sources[3]}")).path
        with pytest.raises(ImgfetchError):
            await client.get(sources[1])
