"""Which URLs are one image, and when one of them that is held answers for another."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch import Cache, Client
from imgfetch.adapters.disk import DiskStore
from imgfetch.cli import main
from imgfetch.demo import news
from imgfetch.engine.held import held
from imgfetch.model import (
    Candidate,
    Choice,
    Digest,
    Head,
    Key,
    Level,
    Policy,
    Rendition,
    Served,
    Settings,
    SourceSet,
    Verified,
)
from imgfetch.rules import renditions
from imgfetch.rules.choose import choose
from imgfetch.rules.renditions import Filed, kin, learn, listed
from keeping import facts, keep, keep_proved, written
from origin import Origin as Loopback
from origin import whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

H = "http://h.example/"
NOW = 1000.0


# What is one image


class Book:
    """What is filed, as a store does it."""

    def __init__(self) -> None:
        self.filed: dict[Key, Filed] = {}

    def known(self, *offered: Rendition) -> list[Filed]:
        images = {self.filed[r.key].image for r in offered if r.key in self.filed} - {None}
        keys = {r.key for r in offered}
        return [each for each in self.filed.values() if each.key in keys or each.image in images]

    def learn(self, **widths: int) -> Book:
        offered = of(**widths)
        lesson = learn(offered, self.known(*offered))
        for key in lesson.doubtful:
            self.filed[key] = self.filed[key]._replace(image=None)
        image = lesson.image or 1 + max((each.image or 0 for each in self.filed.values()), default=0)
        self.filed |= {r.key: Filed(r.key, image, r.width) for r in lesson.members}
        return self

    def kin(self, chosen: str, least: int, **widths: int) -> list[str]:
        offered = of(**widths)
        found = kin(offered, self.known(*offered), chosen=Key(chosen), least=least)
        return [rendition.key for rendition in found]


def of(**widths: int) -> tuple[Rendition, ...]:
    return tuple(Rendition(Key(name), width) for name, width in widths.items())


def test_a_list_is_one_image_by_itself() -> None:
    assert Book().kin("b", 700, a=480, b=800, c=1280, d=2000) == ["c", "d"]
    assert Book().kin("b", 1300, a=480, b=800, c=1280, d=2000) == ["d"]


def test_a_part_of_a_list_is_the_image_of_the_list() -> None:
    book = Book().learn(a=480, b=800, c=1280, d=2000)
    assert book.kin("b", 700, b=800) == ["c", "d"]
    assert book.kin("a", 300, a=480, b=800) == ["b", "c", "d"]
    assert book.kin("b", 700, b=0) == ["c", "d"]  # a URL that stands alone
    assert book.kin("b", 900, b=0) == []  # it would not do itself
    assert book.kin("x", 700, x=800) == []


def test_a_list_that_holds_another_adds_to_its_image() -> None:
    book = Book().learn(a=480, b=800).learn(a=480, b=800, c=1280).learn(x=1, y=2)
    assert book.kin("a", 400, a=480) == ["b", "c"]
    book.learn(a=480, b=800, c=1280, x=1, y=2)
    assert book.kin("x", 1, x=1) == ["y", "a", "b", "c"]


def test_what_lists_of_several_images_share_is_nobodys() -> None:
    book = Book().learn(missing=800, cat=1280)
    assert book.kin("missing", 700, missing=800, dog=1280) == ["dog"]  # never the cat
    book.learn(missing=800, dog=1280)
    assert book.kin("missing", 700, missing=800) == []
    assert book.kin("missing", 700, missing=800, dog=1280) == ["dog"]
    assert book.kin("missing", 700, missing=800, bird=1280) == ["bird"]
    for _ in range(2):
        book.learn(missing=800, cat=1280).learn(missing=800, dog=1280)
        assert book.kin("missing", 700, missing=800) == []
        assert book.kin("cat", 1000, cat=1280, big=2000) == ["big"]


def test_two_placeholders_do_not_join_two_images() -> None:
    book = Book().learn(small=400, large=800, cat=1280).learn(small=400, large=800, dog=1280)
    assert book.kin("dog", 1000, dog=1280) == []
    assert book.kin("large", 700, small=400, large=800) == []
    assert book.kin("dog", 1000, small=400, large=800, dog=1280, dog2=2000) == ["dog2"]


def test_a_list_that_contradicts_another_about_a_width_is_not_believed() -> None:
    book = Book().learn(a=480, b=800, c=1280)
    assert book.kin("b", 700, b=900) == []
    book.learn(b=900, c=1280)
    assert book.kin("b", 700, b=800) == []
    assert book.kin("a", 400, a=480) == []


_LISTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 4).map(lambda n: n * 400), max_size=5)


@settings(deadline=None)
@given(st.lists(_LISTS, max_size=6), _LISTS.filter(bool), st.integers(1, 1700))
def test_no_two_urls_are_one_image_unless_some_list_says_so_and_none_else(
    lists: list[dict[str, int]], asked: dict[str, int], least: int
) -> None:
    book = Book()
    for each in lists:
        book.learn(**each)
    chosen = min(asked)
    found = book.kin(chosen, least, **asked)
    widths = {
        r.key: r.width for r in kin(of(**asked), book.known(*of(**asked)), chosen=Key(chosen), least=least)
    }
    assert chosen not in found
    assert all(width >= least for width in widths.values())
    assert list(widths.values()) == sorted(widths.values())
    for name in set(found) - set(asked):
        assert book.filed[Key(name)].image == book.filed[Key(chosen)].image is not None
        # Of all lists that have one of the two, one has the other as well.
        assert any(name in each and set(each) & set(asked) for each in lists)


@settings(deadline=None)
@given(st.lists(_LISTS, min_size=1, max_size=6))
def test_what_is_learnt_twice_is_learnt_once(lists: list[dict[str, int]]) -> None:
    book = Book()
    for each in lists:
        book.learn(**each)
    before = dict(book.filed)
    book.learn(**lists[-1])
    assert book.filed == before


def test_a_list_is_read_from_a_choice() -> None:
    signed = "?ex=65d903de&is=65c68ede&hm=" + "0" * 64
    text = SourceSet((Candidate(H + "a" + signed, 480), Candidate(H + "b", 800), Candidate("c:d", 3)))
    assert listed(choose(text, width=400), Settings()) == of(**{H + "a": 480, H + "b": 800})
    assert listed(choose(text, width=400, formats=["webp"]), Settings()) == of(**{H + "a": 480, H + "b": 800})
    alone = SourceSet((Candidate(H + "a"),))
    assert listed(choose(alone), Settings()) == (Rendition(Key(H + "a"), 0),)
    densities = SourceSet((Candidate(H + "a", density=1.0), Candidate(H + "b", density=2.0)))
    assert listed(choose(densities), Settings()) == ()
    torn = SourceSet((Candidate(H + "a?sid=1", 1), Candidate(H + "a?sid=2", 2)))
    assert len(listed(choose(torn), Settings())) == 2
    assert listed(choose(torn), Settings(key_ignore=("sid",))) == ()
    endless = SourceSet(tuple(Candidate(f"{H}{n}", n) for n in range(1, renditions.MOST + 2)))
    assert listed(choose(endless), Settings()) == ()


# When one that is held answers


LIST = SourceSet(tuple(Candidate(f"{H}{width}", width) for width in (480, 800, 1280, 2000)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    with closing(DiskStore(tmp_path / "cache")) as store:
        yield store


def hold(
    store: DiskStore, width: int, *, real: int | None = None, image: SourceSet = LIST, control: str = ""
) -> None:
    """Keep the rendition of that width, as fetched from `image`."""
    data = b"%d" % width
    choice = choose(image, width=width)
    proof = replace(facts(data), width=real or width)
    head = Head(choice.url, 200, (("cache-control", control),) if control else ())
    offered = listed(choice, Settings())
    key = Key(f"{H}{width}")
    keep_proved(
        store,
        Verified(proof, written(store, data)),
        key,
        head,
        asked_at=NOW,
        received_at=NOW,
        renditions=offered,
    )


def serves(store: DiskStore, width: int | None, image: SourceSet = LIST, **changes: object) -> int | None:
    """The real width of what is served without a request for at least `width`."""
    choice = choose(image, width=width)
    served = answer(store, choice, Settings(**changes))  # type: ignore[arg-type]
    if served is None:
        return None
    assert served.origin == "cached"
    assert served.reused is (served.url != choice.url)
    return served.width


def answer(
    store: DiskStore, choice: Choice, settings: Settings, sha256: Digest | None = None
) -> Served | None:
    return held(choice, store, settings, now=NOW, sha256=sha256)


def test_a_wider_one_that_is_held_answers_and_of_several_the_narrowest(store: DiskStore) -> None:
    hold(store, 2000)
    assert serves(store, 400) == 2000
    hold(store, 1280)
    assert serves(store, 400) == 1280
    assert serves(store, 1281) == 2000
    hold(store, 480)
    assert serves(store, 400) == 480
    assert serves(store, 481) == 1280


def test_the_result_says_which_was_chosen_and_which_was_served(store: DiskStore) -> None:
    hold(store, 1280)
    served = answer(store, choose(LIST, width=800), Settings())
    assert served is not None
    assert (served.choice.url, served.url, served.candidate) == (H + "800", H + "1280", LIST.candidates[2])
    assert (served.reused, served.tried, served.attempts) == (True, (), 0)


def test_a_narrower_one_never_answers(store: DiskStore) -> None:
    hold(store, 480)
    hold(store, 800, real=640)  # its descriptor promises too much
    hold(store, 1280, real=799)
    assert serves(store, 700) == 640  # the chosen one itself is served as ever
    store.remove(Key(H + "800"))
    assert serves(store, 700) == 799
    assert serves(store, 800) is None
    assert serves(store, 2500) is None


def test_one_that_is_not_fresh_or_not_proved_or_not_in_a_wanted_format_does_not_answer(
    store: DiskStore,
) -> None:
    hold(store, 2000, control="no-cache")
    assert serves(store, 800) is None
    hold(store, 1280, control="max-age=0, stale-while-revalidate=60")
    assert serves(store, 800) is None
    hold(store, 2000)
    assert serves(store, 800) == 2000
    assert serves(store, 800, level=Level.NONE) == 2000
    for formats, served in ((["webp"], True), (["avif"], False)):
        choice = choose(LIST, width=800, formats=formats)
        assert (answer(store, choice, Settings()) is not None) is served


def test_who_wants_one_file_one_width_or_the_origins_word_gets_it(store: DiskStore) -> None:
    hold(store, 1280)
    for changes in ({"reuse": False}, {"refresh": True}, {"expect_width": 1280}):
        assert serves(store, 800, **changes) is None
    assert answer(store, choose(LIST, width=800), Settings(), Digest("0" * 64)) is None
    for policy in set(Policy) - {Policy.COVER, Policy.BROWSER}:
        chosen = choose(LIST, width=600, policy=policy)
        assert answer(store, chosen, Settings()) is None, policy
    assert serves(store, None) is None
    assert serves(store, 800, offline=True) == 1280


def test_another_pages_list_or_a_lone_url_is_answered_by_what_the_index_knows(store: DiskStore) -> None:
    hold(store, 1280)
    part = SourceSet(LIST.candidates[:2])
    assert serves(store, 800, part) == 1280
    alone = SourceSet((Candidate(H + "800"),))
    assert serves(store, 700, alone) == 1280
    assert serves(store, 900, alone) is None
    assert serves(store, None, alone) is None
    served = answer(store, choose(alone, width=700), Settings())
    assert served is not None
    assert served.candidate == Candidate(H + "1280", 1280)
    other = SourceSet((*part.candidates, Candidate(H + "dog", 1600)))
    assert serves(store, 800, other) is None


def test_identical_bytes_under_the_urls_of_a_list_are_one_object(store: DiskStore) -> None:
    for candidate in LIST.candidates:
        keep(store, Key(candidate.url), b"the same")
    assert (store.stats().entries, store.stats().objects) == (4, 1)


# What is filed


def image_of(store: DiskStore, name: str) -> dict[str, int]:
    return {r.key.removeprefix(H): r.width for r in store.renditions(Key(H + name))}


def test_four_urls_are_filed_as_one_image_with_the_first_that_comes(store: DiskStore) -> None:
    assert image_of(store, "480") == {}
    hold(store, 800)
    for name in ("480", "800", "1280", "2000"):
        assert image_of(store, name) == {"480": 480, "800": 800, "1280": 1280, "2000": 2000}
    hold(store, 800, image=SourceSet((Candidate(H + "800", 800),)))
    assert len(image_of(store, "480")) == 4


def test_an_image_of_which_nothing_is_held_is_forgotten(store: DiskStore) -> None:
    hold(store, 800)
    hold(store, 1280)
    store.remove(Key(H + "800"))
    assert len(image_of(store, "800")) == 4
    hold(store, 1280)
    assert len(image_of(store, "800")) == 4
    (left,) = store.entries()
    store.forget(left.facts.sha256)
    assert image_of(store, "800") == {}


def test_a_new_variant_of_the_last_that_is_held_does_not_forget_the_image(store: DiskStore) -> None:
    hold(store, 800)
    head = Head(H + "800", 200, (("vary", "a"),))
    for value in "12":
        data = value.encode()
        keep_proved(
            store,
            Verified(facts(data), written(store, data)),
            Key(H + "800"),
            head,
            asked_at=NOW,
            received_at=NOW,
            selected=(("a", value),),
        )
        assert len(image_of(store, "480")) == 4
    hold(store, 800, image=SourceSet((Candidate(H + "800", 800),)))
    assert (store.stats().entries, len(image_of(store, "480"))) == (1, 4)


def test_lists_of_two_images_that_share_a_url_are_kept_apart_on_disk(store: DiskStore) -> None:
    cat, dog = (SourceSet((Candidate(H + "800", 800), Candidate(H + name, 1280))) for name in ("cat", "dog"))
    hold(store, 800, image=cat)
    assert set(image_of(store, "cat")) == {"800", "cat"}
    hold(store, 800, image=dog)
    assert (image_of(store, "800"), image_of(store, "dog")) == ({}, {})
    assert set(image_of(store, "cat")) == {"cat"}


def test_rows_of_renditions_that_make_no_sense_are_passed_over(store: DiskStore) -> None:
    hold(store, 1280)
    for nonsense in ("width = 'wide'", "image = 'cat'", "image = 1.5"):
        with closing(sqlite3.connect(store.root / "index-v1.sqlite")) as connection:
            connection.execute(f"UPDATE rendition SET {nonsense}")
            connection.commit()
        assert image_of(store, "800") == {}
        assert serves(store, 700) == 1280  # by its own list
        hold(store, 1280)
        assert len(image_of(store, "800")) == 4


def test_the_chosen_one_costs_one_lookup_another_in_its_place_four_and_where_none_is_wider_two(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(store, 1280)
    asked: list[str] = []
    rows = store._index._rows

    def counted(statement: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        if "WHERE sha256 = ?" not in statement:  # whose else these bytes are is asked of small files alone
            asked.append(statement)
        return rows(statement, values)

    monkeypatch.setattr(store._index, "_rows", counted)
    assert serves(store, 1280) == 1280
    assert len(asked) == 1
    assert serves(store, 800) == 1280
    assert len(asked) == 5
    assert serves(store, 2000) is None
    assert len(asked) == 7


# From the outside


@pytest.fixture
def origin(news_origin: Loopback, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    monkeypatch.setenv("IMGFETCH_ALLOW_HOST", "127.0.0.1")
    return news_origin


def test_a_get_of_at_least_400_takes_the_1280_that_is_there(
    origin: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["get", "news.txt", "-w", "800"]) == 0
    assert main(["get", "news.txt", "-w", "400", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["width"], told["reused"], told["origin"], told["warnings"]) == (1280, True, "cached", [])
    assert told["url"] != told["choice"]["url"]
    assert origin.asked() == 1
    assert main(["get", "news.txt", "-w", "400", "--no-reuse", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["width"], told["reused"], told["origin"]) == (480, False, "fetched")
    assert main(["get", "news.txt", "-w", "400", "--all"]) == 0
    assert origin.asked() == 4


def test_the_image_behind_a_url_can_be_looked_at(
    origin: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["get", "news.txt", "-w", "800"]) == 0
    capsys.readouterr()
    with closing(Cache("cache")) as cache:
        (entry,) = cache.entries()
        widths = [rendition.width for rendition in cache.renditions(entry.key)]
        assert widths == sorted(news.PATHS)
        assert cache.renditions("no URL") == ()
    assert main(["cache", "ls", "--json"]) == 0
    assert [each["width"] for each in json.loads(capsys.readouterr().out)["renditions"]] == widths
    url = origin.url + news.PATHS[480]
    assert main(["explain", url, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["renditions"]) == 4
    assert main(["explain", url]) == 0
    assert f"one image with: 1280w {origin.url}{news.PATHS[1280]}" in capsys.readouterr().out


@pytest.mark.anyio
async def test_the_images_of_a_page_are_answered_too(origin: Loopback) -> None:
    page = "".join(f"{path} {width}w," for width, path in news.PATHS.items())
    origin.route("/page", whole(f"<img srcset='{page}'>".encode(), content_type="text/html"))
    async with Client(allow_hosts=["127.0.0.1"]) as client:
        assert (await client.get(origin.url + "/page", width=800)).width == 1280
        image = await client.get(origin.url + "/page", width=400)
        assert (image.width, image.reused, image.choice.width) == (1280, True, 400)
    assert origin.asked() - origin.asked("/page") == 1
