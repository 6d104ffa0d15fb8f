"""The short way gives what the long way gives, or nothing, and what was seen is what is there."""

from __future__ import annotations

import copy
import pickle
import sqlite3
import time
from contextlib import aclosing, closing
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import MemoryStore
from imgfetch import Client
from imgfetch.api.jobs import Job, jobs_of
from imgfetch.api.results import Image
from imgfetch.api.shortcut import Batch, Shortcut
from imgfetch.engine.lookup import held
from imgfetch.errors import ImgfetchError
from imgfetch.model.image import Entry, Facts, Format, Verified, VerifyLevel
from imgfetch.model.markup import Choice, Policy, Viewport
from imgfetch.model.request import Head, Settings
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.model.values import Key
from imgfetch.store import index
from imgfetch.store.disk_store import INDEX, DiskStore
from keeping import digest, facts, keep_proved, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.api.jobs import Choosing
    from imgfetch.api.sources import Source
    from keeping import Cache

T = 1_700_000_000.0
KEYS = [f"https://photos.example/{name}.webp" for name in "abc"]
LASTING = (("cache-control", "max-age=60"), ("content-type", "image/webp"))


def keep(store: Cache, url: str, data: bytes, *, at: float = T) -> Entry:
    proof = Verified(facts(data), written(store, data))
    return keep_proved(store, proof, Key(url), Head(url, 200, LASTING), request_time=at - 1, response_time=at)


def the_long_way(source: Source, place: int, store: Cache, wanted: Settings, how: Choosing) -> Image | None:
    job = next(jobs_of(source, place, **how))
    if not isinstance(job.choice, Choice):
        return None
    wanted = wanted._replace(reuse=False) if job.is_one_of_all else wanted
    served = held(job.choice, store, wanted, now=T + 10)
    signed = None if served is None else job.sign(served)
    assert not isinstance(signed, Failure)
    return signed


_SPELLINGS: list[Callable[[str], Source]] = [
    str,
    lambda url: f" {url}",
    lambda url: f"{url}#top",
    lambda url: f"{url} 480w, {url}?2 960w",
    lambda url: url.replace("https", "HTTPS"),
    lambda url: url.replace("photos", "phötos"),
    lambda url: url.replace("photos", "pho\udc00tos"),
    lambda url: url.replace("//", "//user:secret@"),
    Path,
]
_SETTINGS = st.builds(
    Settings,
    level=st.sampled_from(VerifyLevel),
    expect_width=st.sampled_from([None, None, 480, 960]),
    strict_width=st.booleans(),
    reject_fakes=st.booleans(),
    refresh=st.sampled_from([False, False, True]),
    offline=st.booleans(),
    reuse=st.booleans(),
    key_ignore=st.sampled_from([(), (), ("w*",)]),
    robots=st.sampled_from(["", "", "imgfetch"]),
)
_CHOOSING: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "width": st.sampled_from([None, 0, 480]),
        "viewport": st.sampled_from([None, Viewport(400, 800, dpr=2)]),
        "policy": st.sampled_from([*Policy, "smallest", "best"]),
        "formats": st.sampled_from([None, ["webp"], ["png"]]),
        "base_url": st.sampled_from(["", "https://photos.example/news/"]),
        "every": st.booleans(),
    },
)
_KEPT = st.lists(
    st.tuples(
        st.sampled_from([*KEYS, f"{KEYS[0]}?w=480"]),
        st.sampled_from([b"small", b"\0" * 40_000]),
        st.sampled_from([Format.WEBP, Format.WEBP, Format.PNG, Format.OTHER]),
        st.sampled_from([("length", "structure", "decode"), ("structure",)]),
        st.sampled_from([200, 200, 203, 404]),
        st.sampled_from(
            [LASTING, LASTING, (), (("cache-control", "no-cache"),), (*LASTING, ("vary", "accept"))]
        ),
    ),
    max_size=4,
)
_ASKED = st.lists(
    st.tuples(st.sampled_from([*KEYS, f"{KEYS[0]}?w=480", "a.webp", ""]), st.sampled_from(_SPELLINGS)).map(
        lambda each: each[1](each[0])
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None, max_examples=500)
@given(_KEPT, _ASKED, _SETTINGS, _CHOOSING)
def test_the_short_way_gives_what_the_long_way_gives(
    kept: list[Any], asked: list[Source], wanted: Settings, how: Choosing
) -> None:
    store = MemoryStore()
    for url, data, form, verified, status, headers in kept:
        proof = Verified(Facts(form, 480, 270, 1, len(data), digest(data), verified), written(store, data))
        keep_proved(store, proof, Key(url), Head(url, status, headers), request_time=T - 1, response_time=T)
    found = Shortcut(store, wanted, how).look(asked, 7, now=T + 10).images
    assert len(found) == len(asked)
    for place, (source, image) in enumerate(zip(asked, found, strict=True), 7):
        if image is not None:
            assert image == the_long_way(source, place, store, wanted, how)


@pytest.mark.parametrize("how", [{}, {"width": 480}, {"policy": "largest"}, {"viewport": Viewport(400, 800)}])
def test_what_is_there_is_found_by_the_short_way(how: Choosing, tmp_path: Path) -> None:
    sources: list[Source] = [
        KEYS[0],
        KEYS[2],
        KEYS[0],
        KEYS[1],
        f"{KEYS[0]} ",
        Path(KEYS[0]),
        "\udc00",
    ]
    with closing(DiskStore(tmp_path)) as disk:
        for store in (MemoryStore(), disk):
            for key in KEYS[:2]:
                keep(store, key, key.encode())
            found = Shortcut(store, Settings(), how).look(sources, 3, now=T + 10).images
            assert [image and image.index for image in found] == [3, None, 5, 6, None, None, None]
            for image, source in zip(found, sources, strict=True):
                if image is not None:
                    assert image == the_long_way(source, image.index, store, Settings(), how)
                    assert image.path == store.path(image.entry)
                    assert type(image.url) is str


@pytest.mark.parametrize(
    "other",
    [
        {"refresh": True},
        {"robots": "imgfetch"},
        {"key_ignore": ("w*",)},
        {"expect_width": 960},
        {"level": VerifyLevel.THOROUGH},
    ],
)
def test_who_wants_more_than_usual_is_left_to_the_long_way(other: dict[str, Any]) -> None:
    store = MemoryStore()
    keep(store, KEYS[0], b"a cat")
    assert Shortcut(store, Settings(**other), {}).look(KEYS[:1], 0, now=T).images == [None]


@pytest.mark.parametrize("how", [{"base_url": KEYS[1]}, {"every": True}, {"formats": ["png"]}])
def test_what_depends_on_the_url_is_left_to_the_long_way(how: Choosing) -> None:
    store = MemoryStore()
    keep(store, KEYS[0], b"a cat")
    assert Shortcut(store, Settings(), how).look(KEYS[:1], 0, now=T).images == [None]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_file_whose_name_is_a_url_is_not_read(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"{scheme}://photos.example/a.webp"
    store = MemoryStore()
    keep(store, url, b"a cat")
    file = Path(url)
    file.parent.mkdir(parents=True)
    file.write_text("https://photos.example/b.webp 480w", encoding="utf-8")
    look = Shortcut(store, Settings(), {}).look([url, file], 0, now=T)
    assert [bool(image) for image in look.images] == [True, False]
    chosen = [
        item.choice
        for item in Client(tmp_path / "cache", offline=True).jobs([[url], [file]])
        if isinstance(item, Job)
    ]
    assert [getattr(choice, "url", None) for choice in chosen] == [url, "https://photos.example/b.webp"]


def test_a_shortcut_that_is_shut_leaves_all_to_the_long_way() -> None:
    store = MemoryStore()
    keep(store, KEYS[0], b"a cat")
    assert Shortcut(store, Settings(), {}, is_open=False).look(KEYS, 0, now=T).images == [None] * 3
    assert Shortcut(store, Settings(), {"policy": "best"}).look(KEYS, 0, now=T).images == [None] * 3
    with pytest.raises(TypeError, match="no such keyword: colour"):
        Shortcut(store, Settings(), {"colour": "red"}).look(KEYS, 0, now=T)  # type: ignore[typeddict-unknown-key]


# ---------------------------------------------------------------------------------------------------
# An image of which the rest is made when it is asked for


def sighted() -> tuple[Image, Image]:
    """One that was sighted, and its equal that is whole from the beginning."""
    store = MemoryStore()
    keep(store, KEYS[0], b"a cat")
    (image,) = Shortcut(store, Settings(), {"width": 480}).look([KEYS[0]], 5, now=T).images
    whole = the_long_way(KEYS[0], 5, store, Settings(), {"width": 480})
    assert image is not None
    assert whole is not None
    return image, whole


@pytest.mark.parametrize(
    "of", [hash, repr, copy.copy, copy.deepcopy, lambda image: pickle.loads(pickle.dumps(image)), replace]
)
def test_a_sighted_image_is_like_any_other(of: Callable[[Image], object]) -> None:
    image, whole = sighted()
    assert of(image) == of(whole)
    assert type(image) is type(whole)
    assert image == whole


@settings(deadline=None)
@given(
    st.permutations([field.name for field in fields(Image)] + ["url", "headers", "bytes", "fakes", "reused"])
)
def test_whatever_is_asked_for_first_is_there(names: list[str]) -> None:
    image, whole = sighted()
    for name in names:
        assert getattr(image, name) == getattr(whole, name)
        assert getattr(image, name) is getattr(image, name) or name in ("fakes",)


def test_a_sighted_image_cannot_be_changed_and_has_no_other_attributes() -> None:
    for image in sighted():
        with pytest.raises(FrozenInstanceError):
            image.index = 7  # type: ignore[misc]
        with pytest.raises(AttributeError, match="'Image' object has no attribute 'colour'"):
            _ = image.colour  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------------------------------
# What was seen is what is there


def row(headers: object) -> tuple[Any, ...]:
    return (
        "key",
        "0" * 64,
        "webp",
        1,
        1,
        1,
        1,
        1,
        1,
        1,
        "length",
        "url",
        200,
        headers,
        1.0,
        1.0,
        None,
        "",
        "",
        1,
    )


@settings(deadline=None, max_examples=300)
@given(st.text("\t\n\\x41a", max_size=12) | st.binary(max_size=3) | st.none() | st.integers())
def test_a_row_that_makes_sense_can_be_told(headers: object) -> None:
    if index._makes_sense(row(headers)):
        assert index.told(row(headers)).head.url == "url"


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=3).map(tuple))
def test_whatever_was_kept_makes_sense(headers: tuple[tuple[str, str], ...]) -> None:
    written_down = row(index._lines(headers))
    assert index._makes_sense(written_down)
    assert index.told(written_down).head.headers == headers


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
def test_rows_that_make_no_sense_are_left_to_the_long_way(statement: str, tmp_path: Path) -> None:
    with closing(DiskStore(tmp_path)) as store:
        keep(store, KEYS[0], b"a cat")
    with closing(sqlite3.connect(tmp_path / INDEX, isolation_level=None)) as connection:
        connection.execute(statement)
    with closing(DiskStore(tmp_path)) as store:
        assert Shortcut(store, Settings(), {}).look(KEYS[:1], 0, now=T).images == [None]


class Ticking:
    """A clock that goes on by so many seconds with each look at it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._now = T

    def now(self) -> float:
        self._now += self._seconds
        return self._now


@pytest.mark.parametrize(("tick", "taken"), [(0, 3), (0.3, 3), (0.5, 2), (2, 0), (-1, 0)])
def test_a_batch_is_handed_out_as_long_as_it_was_just_seen(tick: float, taken: int) -> None:
    image, _ = sighted()
    batch = Batch([image] * 3, Ticking(tick), T)  # type: ignore[arg-type]
    assert len(batch) == 3
    assert [*batch] == [image] * taken
    assert batch.taken == taken


@pytest.mark.anyio
async def test_what_is_taken_a_while_later_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    with closing(DiskStore(tmp_path)) as store:
        paths = [store.path(keep(store, key, key.encode(), at=now - 10)) for key in KEYS]
    async with (
        Client(tmp_path, offline=True) as client,
        aclosing(client.get_many([*KEYS, KEYS[0]])) as outcomes,
    ):
        first = await anext(outcomes)
        paths[1].unlink()
        monkeypatch.setattr(time, "time", lambda: now + 2)
        rest = [outcome async for outcome in outcomes]
    second, third, fourth = sorted(rest, key=lambda each: each.index)
    assert isinstance(second, Failure)
    assert second.kind is ErrorKind.OFFLINE
    found = [each.path for each in (first, third, fourth) if isinstance(each, Image)]
    assert found == [paths[0], paths[2], paths[0]]
    assert first.index == 0
    assert [each.index for each in (second, third, fourth)] == [1, 2, 3]


@pytest.mark.anyio
async def test_what_is_there_and_what_is_not_come_in_their_order(tmp_path: Path) -> None:
    now = time.time()
    with closing(DiskStore(tmp_path)) as store:
        for number in range(0, 300, 3):
            keep(store, f"https://photos.example/{number}.webp", str(number).encode(), at=now - 10)
    sources = [f"https://photos.example/{number}.webp" for number in range(300)]
    async with Client(tmp_path, offline=True) as client:
        for drawn in (sources, iter(sources)):
            outcomes = [outcome async for outcome in client.get_many(drawn)]
            assert [each.index for each in outcomes if isinstance(each, Image)] == [*range(0, 300, 3)]
            assert sorted(each.index for each in outcomes) == [*range(300)]
        assert (await client.get(sources[3])).path == (await client.get(f" {sources[3]}")).path
        with pytest.raises(ImgfetchError):
            await client.get(sources[1])


def test_what_is_there_of_a_lot_comes_in_batches_and_all_else_as_errands(tmp_path: Path) -> None:
    now = time.time()
    with closing(DiskStore(tmp_path)) as store:
        for key in KEYS:
            keep(store, key, key.encode(), at=now - 10)
    client = Client(tmp_path, offline=True)
    other = "https://photos.example/other.webp"
    lots = [(KEYS[0],), (KEYS[1], KEYS[2], other, KEYS[0])]
    seen: list[tuple[int, ...] | int] = []
    for item in client.jobs(lots, width=800):
        outcomes = client.try_cached(item)
        if isinstance(item, Batch):
            assert outcomes is item
            seen.append(tuple(image.index for image in item))
        else:
            seen.append(item.index)
    assert seen == [(0,), (1, 2), 3, (4,)]
    client.release()
