"""Substitutes: with `reuse`, and only then, a stored rendition answers for another of its source set."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgfetch import Cache, Client
from imgfetch.cli import main
from imgfetch.demo import news
from imgfetch.engine.lookup import serve_stored
from imgfetch.model.image import Verified, VerifyLevel
from imgfetch.model.markup import Candidate, Choice, Policy, Rendition, SourceSet
from imgfetch.model.request import Head, Settings
from imgfetch.model.values import Digest, Key
from imgfetch.rules.image import renditions
from imgfetch.rules.image.choose import choose
from imgfetch.rules.image.renditions import identity, offered, substitutes
from imgfetch.store.disk_store import DiskStore
from keeping import facts, keep, keep_proved, written
from origin import Origin as Loopback
from origin import whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgfetch.model.result import Served

H = "http://h.example/"
NOW = 1000.0


# Which renditions may stand for which


def of(**widths: int) -> tuple[Rendition, ...]:
    """Renditions of one host by the last segments of their URLs."""
    return tuple(Rendition(Key(H + name), width) for name, width in widths.items())


_LISTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 4).map(lambda n: n * 400), max_size=5)


@given(_LISTS, _LISTS)
def test_two_source_sets_are_one_only_where_they_offer_the_same(
    one: dict[str, int], other: dict[str, int]
) -> None:
    backwards = dict(reversed(other.items()))
    assert identity(of(**other)) == identity(of(**backwards))
    if len(one) > 1:
        assert (identity(of(**one)) == identity(of(**other))) is (one == other)
    else:
        assert identity(of(**one)) == ""


@given(_LISTS.filter(bool), st.integers(1, 1700))
def test_what_may_stand_for_the_chosen_one_is_wide_enough_and_the_narrowest_comes_first(
    offered: dict[str, int], least: int
) -> None:
    chosen = Key(H + min(offered))
    found = substitutes(of(**offered), chosen=chosen, least=least)
    assert {each.key for each in found} == {
        Key(H + name) for name, width in offered.items() if width >= least and H + name != chosen
    }
    assert [each.width for each in found] == sorted(each.width for each in found)


@pytest.mark.parametrize(
    ("other", "may"),
    [
        ("http://h.example/b", True),
        ("http://h.example:81/b", False),
        ("https://h.example/b", False),
        ("http://evil.example/b", False),
        ("http://www.h.example/b", False),
    ],
)
def test_only_a_rendition_of_the_same_origin_may_stand_for_another(other: str, may: bool) -> None:
    offered = (Rendition(Key(H + "a"), 800), Rendition(Key(other), 1600))
    assert bool(substitutes(offered, chosen=Key(H + "a"), least=700)) is may


def test_a_list_is_read_from_a_choice() -> None:
    signed = "?ex=65d903de&is=65c68ede&hm=" + "0" * 64
    text = SourceSet((Candidate(H + "a" + signed, 480), Candidate(H + "b", 800), Candidate("c:d", 3)))
    assert offered(choose(text, width=400), Settings()) == of(a=480, b=800)
    assert offered(choose(text, width=400, formats=["webp"]), Settings()) == of(a=480, b=800)
    alone = SourceSet((Candidate(H + "a"),))
    assert offered(choose(alone), Settings()) == (Rendition(Key(H + "a"), 0),)
    densities = SourceSet((Candidate(H + "a", density=1.0), Candidate(H + "b", density=2.0)))
    assert offered(choose(densities), Settings()) == ()
    torn = SourceSet((Candidate(H + "a?sid=1", 1), Candidate(H + "a?sid=2", 2)))
    assert len(offered(choose(torn), Settings())) == 2
    assert offered(choose(torn), Settings(key_ignore=("sid",))) == ()
    endless = SourceSet(tuple(Candidate(f"{H}{n}", n) for n in range(1, renditions.MOST + 2)))
    assert offered(choose(endless), Settings()) == ()


# When one that is held answers


LIST = SourceSet(tuple(Candidate(f"{H}{width}", width) for width in (480, 800, 1280, 2000)))
REUSE = Settings(reuse=True)


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
    proof = facts(data)._replace(width=real or width)
    head = Head(choice.url, 200, (("cache-control", control),) if control else ())
    renditions = offered(choice, Settings())
    key = Key(f"{H}{width}")
    keep_proved(
        store,
        Verified(proof, written(store, data)),
        key,
        head,
        request_time=NOW,
        response_time=NOW,
        renditions=renditions,
    )


def serves(store: DiskStore, width: int | None, image: SourceSet = LIST, **changes: object) -> int | None:
    """The real width of what is served without a request for at least `width`, with `reuse`."""
    choice = choose(image, width=width)
    served = answer(store, choice, Settings(**({"reuse": True} | changes)))  # type: ignore[arg-type]
    if served is None:
        return None
    assert served.origin == "cached"
    assert served.reused is (served.url != choice.url)
    return served.width


def answer(
    store: DiskStore, choice: Choice, settings: Settings, sha256: Digest | None = None
) -> Served | None:
    return serve_stored(choice, store, settings, now=NOW, sha256=sha256)


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
    served = answer(store, choose(LIST, width=800), REUSE)
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
    assert serves(store, 800, level=VerifyLevel.NONE) == 2000
    for formats, served in ((["webp"], True), (["avif"], False)):
        choice = choose(LIST, width=800, formats=formats)
        assert (answer(store, choice, REUSE) is not None) is served


def test_who_wants_one_file_one_width_or_the_origins_word_gets_it(store: DiskStore) -> None:
    hold(store, 1280)
    for changes in ({"reuse": False}, {"refresh": True}, {"expect_width": 1280}):
        assert serves(store, 800, **changes) is None
    assert answer(store, choose(LIST, width=800), REUSE, Digest("0" * 64)) is None
    for policy in set(Policy) - {Policy.COVER, Policy.BROWSER}:
        chosen = choose(LIST, width=600, policy=policy)
        assert answer(store, chosen, REUSE) is None, policy
    assert serves(store, None) is None
    assert serves(store, 800, offline=True) == 1280


def test_nothing_stands_for_what_was_chosen_unless_it_is_asked_for(store: DiskStore) -> None:
    hold(store, 2000)
    assert answer(store, choose(LIST, width=400), Settings()) is None
    hold(store, 480)
    served = answer(store, choose(LIST, width=400), Settings())
    assert served is not None
    assert (served.width, served.reused) == (480, False)


def test_a_rendition_answers_for_the_very_source_set_that_it_was_fetched_for(store: DiskStore) -> None:
    hold(store, 1280)
    assert serves(store, 800, SourceSet(tuple(reversed(LIST.candidates)))) == 1280
    part, more = LIST.candidates[:3], (*LIST.candidates, Candidate(H + "3000", 3000))
    wider = tuple(Candidate(each.url, (each.width or 0) + 1) for each in LIST.candidates)
    for other in (part, more, wider, (Candidate(H + "800"),), (Candidate(H + "800", 800),)):
        assert serves(store, 800, SourceSet(other)) is None, other
    hold(store, 1280, image=SourceSet(part))  # it was fetched anew, for another
    assert serves(store, 800, SourceSet(part)) == 1280
    assert serves(store, 800) is None
    hold(store, 1280, image=SourceSet((Candidate(H + "1280"),)))
    assert serves(store, 800, SourceSet(part)) is None


def test_identical_bytes_under_the_urls_of_a_list_are_one_object(store: DiskStore) -> None:
    for candidate in LIST.candidates:
        keep(store, Key(candidate.url), b"the same")
    assert (store.stats().entries, store.stats().objects) == (4, 1)


# What is known of a source set


def image_of(store: DiskStore, name: str) -> dict[str, int]:
    return {r.key.removeprefix(H): r.width for r in store.renditions(Key(H + name))}


def test_what_was_fetched_for_one_source_set_can_be_looked_at(store: DiskStore) -> None:
    assert image_of(store, "480") == {}
    hold(store, 800)
    assert image_of(store, "800") == {"800": 800}
    hold(store, 1280, real=1279)
    assert image_of(store, "800") == image_of(store, "1280") == {"800": 800, "1280": 1279}
    assert image_of(store, "480") == {}
    hold(store, 800, image=SourceSet((Candidate(H + "800", 800),)))
    assert (image_of(store, "800"), image_of(store, "1280")) == ({}, {"1280": 1279})
    store.remove(Key(H + "1280"))
    assert image_of(store, "1280") == {}


def test_a_row_with_a_source_set_that_makes_no_sense_is_passed_over(store: DiskStore) -> None:
    hold(store, 1280)
    for nonsense in ("source_set = x'00ff'", "source_set = 7", "source_set = 'cat'"):
        with closing(sqlite3.connect(store.root / "index-v1.sqlite")) as connection:
            connection.execute(f"UPDATE entry SET {nonsense}")
            connection.commit()
        assert serves(store, 700) is None
        hold(store, 1280)
        assert serves(store, 700) == 1280


def test_the_chosen_one_costs_one_lookup_another_in_its_place_three_and_where_none_is_wider_one(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(store, 1280)
    asked: list[str] = []
    rows = store._index._database.rows

    def counted(statement: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        if "WHERE sha256 = ?" not in statement:  # whose else these bytes are is asked of small files alone
            asked.append(statement)
        return rows(statement, values)

    monkeypatch.setattr(store._index._database, "rows", counted)
    assert serves(store, 1280) == 1280
    assert len(asked) == 1
    assert serves(store, 800) == 1280
    assert len(asked) == 4
    assert serves(store, 2000) is None
    assert len(asked) == 5


# From the outside


@pytest.fixture
def origin(news_origin: Loopback, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    monkeypatch.setenv("IMGFETCH_ALLOW_HOST", "127.0.0.1")
    return news_origin


def test_a_run_fetches_what_it_would_fetch_with_an_empty_cache(
    origin: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever ran before: 1280 for 800, and then 480 for 400."""
    for width, real in ((800, 1280), (400, 480), (800, 1280)):
        assert main(["get", "news.txt", "-w", str(width), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["width"], told["reused"], told["warnings"]) == (real, False, [])
    assert origin.asked() == 2


def test_with_reuse_a_get_of_at_least_400_takes_the_1280_that_is_there(
    origin: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["get", "news.txt", "-w", "800"]) == 0
    assert main(["get", "news.txt", "-w", "400", "--reuse", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["width"], told["reused"], told["origin"], told["warnings"]) == (1280, True, "cached", [])
    assert told["url"] != told["choice"]["url"]
    assert origin.asked() == 1
    assert main(["get", "news.txt", "-w", "400", "--reuse", "--no-reuse", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["width"], told["reused"], told["origin"]) == (480, False, "fetched")
    assert main(["get", "news.txt", "-w", "400", "--all", "--reuse"]) == 0
    assert origin.asked() == 4


def test_the_surroundings_may_ask_for_reuse_and_a_flag_may_forbid_it(
    origin: Loopback, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["get", "news.txt", "-w", "800"]) == 0
    monkeypatch.setenv("IMGFETCH_REUSE", "yes")
    for flags, real in (([], 1280), (["--no-reuse"], 480)):
        capsys.readouterr()
        assert main(["get", "news.txt", "-w", "400", "--json", *flags]) == 0
        assert json.loads(capsys.readouterr().out)["width"] == real


def test_offline_another_of_the_same_source_set_is_taken_and_that_is_said(
    origin: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["get", "news.txt", "-w", "800"]) == 0
    capsys.readouterr()
    assert main(["get", "news.txt", "-w", "400", "--offline", "-v", "--json"]) == 0
    told, said = capsys.readouterr()
    line = json.loads(told)
    assert line["width"] == 1280
    assert line["url"] != line["choice"]["url"] == origin.url + news.PATHS[480]
    narrower = [path for width, path in sorted(news.PATHS.items()) if width < 1280]
    passed_over = [f"{origin.url}{path}: not in the cache, and offline" for path in narrower]
    assert line["warnings"] == [f"passed over {each}" for each in passed_over]
    for each in passed_over:
        assert said.count(each) == 2  # by -v, and as a warning
    assert main(["get", origin.url + news.PATHS[480], "-w", "400", "--offline"]) == 1  # a URL alone
    assert origin.asked() == 1


def test_no_page_can_have_its_own_image_answer_for_anothers(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hostile list is fetched once; `victim/logo.png`, and the victim's own list, are what they were."""
    monkeypatch.setenv("IMGFETCH_ALLOW_HOST", "127.0.0.1")
    with Loopback() as evil, Loopback() as victim:
        evil.route("/x.png", whole(encoded("png", 20, 5)))
        logo, large = (
            victim.route(f"/{name}", whole(encoded("png", size, 5))) for name, size in SIZES.items()
        )
        hostile, own = f"{evil.url}/x.png 20w, {logo} 8w", f"{logo} 8w, {large} 16w"
        assert main(["get", hostile, "-w", "20", "--reuse"]) == 0
        for source, width in ((logo, 8), (own, 8), (hostile, 8)):
            capsys.readouterr()
            assert main(["get", source, "-w", "7", "--reuse", "--json"]) == 0
            told = json.loads(capsys.readouterr().out)
            assert (told["width"], told["reused"]) == (width, False), source
            assert main(["cache", "rm", logo]) == 0
        assert (evil.asked(), victim.asked()) == (1, 3)


SIZES = {"logo.png": 8, "large.png": 16}


def test_the_source_set_of_a_url_can_be_looked_at(
    origin: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    for width in ("800", "400"):
        assert main(["get", "news.txt", "-w", width]) == 0
    capsys.readouterr()
    url = origin.url + news.PATHS[480]
    with closing(Cache("cache")) as cache:
        assert [rendition.width for rendition in cache.renditions(url)] == [480, 1280]
        assert cache.renditions("no URL") == ()
    assert main(["cache", "ls", "--json"]) == 0
    for line in capsys.readouterr().out.splitlines():
        assert [each["width"] for each in json.loads(line)["renditions"]] == [480, 1280]
    assert main(["explain", url, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["renditions"]) == 2
    assert main(["explain", url]) == 0
    assert f"of the same source set: 1280w {origin.url}{news.PATHS[1280]}" in capsys.readouterr().out


@pytest.mark.anyio
async def test_the_images_of_a_page_are_answered_too(origin: Loopback) -> None:
    page = "".join(f"{path} {width}w," for width, path in news.PATHS.items())
    origin.route("/page", whole(f"<img srcset='{page}'>".encode(), content_type="text/html"))
    async with Client(allow_hosts=["127.0.0.1"], reuse=True) as client:
        assert (await client.get(origin.url + "/page", width=800)).width == 1280
        image = await client.get(origin.url + "/page", width=400)
        assert (image.width, image.reused, image.choice.width) == (1280, True, 400)
    assert origin.asked() - origin.asked("/page") == 1
