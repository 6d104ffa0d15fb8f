"""RFC 9111 as a private cache: how old, how long fresh, what may be reused, and for whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.model.image import Entry, Facts, Format
from imgfetch.model.request import Head
from imgfetch.model.values import Digest, Key
from imgfetch.rules.http import dates
from imgfetch.rules.http.cache_control import LONGEST, control, request_control
from imgfetch.rules.http.freshness import (
    DAY,
    OF_ANYTHING,
    OF_IMAGES,
    Basis,
    Heuristic,
    Reuse,
    fresh_until,
    may_keep,
    may_reuse,
    may_stand_in,
    redirect_lifetime_of,
    standing,
)
from imgfetch.rules.http.vary import matches, selecting

T = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
YEARS = 10 * 365 * DAY
URL = "https://h.example/a.webp"
FACTS = Facts(Format.WEBP, 640, 360, 1, 999, Digest("a" * 64), ("length", "structure", "decode"))


def http_date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


def head(*fields: tuple[str, str], status: int = 200) -> Head:
    return Head(URL, status, fields)


def held(
    *fields: tuple[str, str], status: int = 200, at: float = T, took: float = 0.0, bound: float | None = None
) -> Entry:
    return Entry(Key(URL), FACTS, head(*fields, status=status), at - took, at, redirect_lifetime=bound)


def cc(value: str) -> tuple[str, str]:
    return ("cache-control", value)


# Dates


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        ("Sun Nov  6 08:49:37 1994", 784111777),
        ("sun, 06 nov 1994 08:49:37 gmt", 784111777),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 29 Feb 2024 23:59:60 GMT", 1709251200),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799),
        ("Thursday, 18-Aug-50 02:01:18 GMT", 2544400878),
        *((text, None) for text in (
            "", "0", "-1", "now", "Thu, 18 Aug 2050 02:01:18 UTC", "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT", "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT", "Thu, 18 Aug 2050 02.01.18 GMT", "Thu, 18 Aug 2050 2:01:18 GMT",
            "Thu, 32 Aug 2050 02:01:18 GMT", "Thu, 00 Aug 2050 02:01:18 GMT", "Thu, 18 Foo 2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 24:01:18 GMT", "Xyz, 18 Aug 2050 02:01:18 GMT", "Thu, ١٨ Aug 2050 02:01:18 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        )),
    ],
)  # fmt: skip
def test_a_date_is_read_in_three_forms_and_no_other(text: str, seconds: int | None) -> None:
    assert dates.read(text) == seconds


@settings(deadline=None)
@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 (made aware below)
def test_every_date_comes_back(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    since = (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    text = f"{moment:%a}, {moment.day:02} {moment:%b} {moment.year:04} {moment:%H:%M:%S} GMT"
    assert dates.read(text) == since


@settings(deadline=None)
@given(st.text())
def test_no_text_breaks_the_reader_of_dates(text: str) -> None:
    dates.read(text)


# Cache-Control


@pytest.mark.parametrize(
    ("value", "directives"),
    [
        ("max-age=60", {"max-age": "60"}),
        ("MAX-AGE=60, No-Cache", {"max-age": "60", "no-cache": None}),
        ('max-age="60"', {"max-age": "60"}),
        ("max-age='60'", {"max-age": "'60'"}),
        ("max-age=60, max-age=1", {"max-age": "60"}),
        ("max-age =60", {"max-age": None}),
        ("max-age= 60", {"max-age": None}),
        (" , max-age=60 ,,", {"max-age": "60"}),
        ('x="max-age=9, y", max-age=1', {"x": "max-age=9, y", "max-age": "1"}),
        ('x="a\\"b, c", max-age=1', {"x": 'a"b, c', "max-age": "1"}),
        ('x="never closed, max-age=1', {"x": '"never closed, max-age=1'}),
        ('no-cache="set-cookie, X-A"', {"no-cache": "set-cookie, X-A"}),
        ("", {}),
        (None, {}),
    ],
)
def test_cache_control_is_read_as_a_list_of_directives(
    value: str | None, directives: dict[str, str | None]
) -> None:
    assert control(value).directives == directives


@pytest.mark.parametrize(
    ("argument", "seconds"),
    [
        ("0", 0), ("007", 7), ("0" * 40 + "7", 7), ("2147483647", 2**31 - 1), ("2147483648", LONGEST),
        ("99999999999", LONGEST),
        ("9" * 100_000, LONGEST), ("-1", None), ("1.0", None), ("a1", None), ("1a", None), ("", None),
        ("٣", None), ("'1'", None),
    ],
)  # fmt: skip
def test_seconds_are_digits_and_nothing_else(argument: str, seconds: int | None) -> None:
    assert control(f"max-age={argument}").seconds("max-age") == seconds


@settings(deadline=None)
@given(st.text(st.sampled_from('max-age=",\\ 01no-cache*;\t')))
def test_no_text_breaks_the_reader_of_cache_control(text: str) -> None:
    read = control(text)
    assert all(name == name.strip().lower() for name in read.directives)


def test_pragma_is_heard_in_a_request_without_cache_control() -> None:
    assert "no-cache" in request_control([("Pragma", "no-cache")])
    assert "no-cache" not in request_control([("Pragma", "no-cache"), ("Cache-Control", "max-age=60")])
    assert not request_control([("Pragma", "x")]).directives


# How long fresh


@pytest.mark.parametrize(
    ("fields", "lifetime", "basis"),
    [
        ([cc("max-age=60")], 60, Basis.MAX_AGE),
        ([cc("s-maxage=600, max-age=60")], 60, Basis.MAX_AGE),
        ([cc("s-maxage=600")], DAY, Basis.HEURISTIC),
        ([cc("max-age=60"), ("expires", http_date(T + 600)), ("date", http_date(T))], 60, Basis.MAX_AGE),
        ([cc("max-age=60"), ("expires", "0")], 60, Basis.MAX_AGE),
        ([cc("max-age=soon"), ("expires", http_date(T + 600))], 0, Basis.MALFORMED),
        ([cc("max-age=-1")], 0, Basis.MALFORMED),
        ([cc("max-age")], 0, Basis.MALFORMED),
        ([("expires", http_date(T + 600)), ("date", http_date(T))], 600, Basis.EXPIRES),
        ([("expires", http_date(T + 600)), ("date", http_date(T + 500))], 100, Basis.EXPIRES),
        ([("expires", http_date(T + 600))], 600, Basis.EXPIRES),
        ([("expires", http_date(T + 600)), ("date", "yesterday")], 600, Basis.EXPIRES),
        ([("expires", http_date(T - 600)), ("date", http_date(T))], 0, Basis.EXPIRES),
        ([("expires", "Fri, 31 Dec 9999 23:59:59 GMT")], LONGEST, Basis.EXPIRES),
        ([("expires", "0")], 0, Basis.MALFORMED),
        ([("expires", http_date(T)), ("expires", http_date(T))], 0, Basis.MALFORMED),
        ([], DAY, Basis.HEURISTIC),
        ([("last-modified", http_date(T - 1))], DAY, Basis.HEURISTIC),
        ([("last-modified", http_date(T - 100 * DAY))], 10 * DAY, Basis.HEURISTIC),
        ([("last-modified", http_date(T - 100 * YEARS / 10))], 365 * DAY, Basis.HEURISTIC),
        ([("last-modified", http_date(T + YEARS))], DAY, Basis.HEURISTIC),
        ([("last-modified", "long ago")], DAY, Basis.HEURISTIC),
    ],
)  # fmt: skip
def test_how_long_a_response_is_fresh(fields: list[tuple[str, str]], lifetime: float, basis: Basis) -> None:
    found = standing(held(*fields), now=T)
    assert (found.lifetime, found.basis) == (lifetime, basis)


def test_for_anything_but_images_nothing_is_guessed_without_last_modified() -> None:
    assert standing(held(), now=T, heuristic=OF_ANYTHING).basis is Basis.NOTHING
    modified = ("last-modified", http_date(T - 1000))
    assert standing(held(modified), now=T, heuristic=OF_ANYTHING).lifetime == 100


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
def test_a_lifetime_is_guessed_of_these_statuses(status: int) -> None:
    assert standing(held(status=status), now=T).basis is Basis.HEURISTIC


@pytest.mark.parametrize("status", [201, 202, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599])
def test_a_lifetime_is_guessed_of_no_other_status_unless_it_is_public(status: int) -> None:
    assert standing(held(status=status), now=T).basis is Basis.NOTHING
    assert standing(held(cc("public"), status=status), now=T).basis is Basis.HEURISTIC


# How old


@pytest.mark.parametrize(
    ("fields", "took", "later", "age"),
    [
        ([], 0, 0, 0),
        ([], 0, 50, 50),
        ([], 7, 50, 57),
        ([("age", "100")], 7, 50, 157),
        ([("age", "100, 5")], 0, 0, 100),
        ([("age", "100"), ("age", "5")], 0, 0, 100),
        ([("age", "-5")], 0, 0, 0),
        ([("age", "7.0")], 0, 0, 0),
        ([("age", "x")], 0, 0, 0),
        ([("date", http_date(T - 100))], 7, 50, 150),
        ([("date", http_date(T - 100)), ("age", "500")], 7, 50, 557),
        ([("date", http_date(T + 100))], 0, 50, 50),
        ([("date", "x")], 0, 50, 50),
        ([], 0, -30, 0),
        ([], 0, -YEARS, LONGEST),
    ],
)
def test_how_old_a_response_is(fields: list[tuple[str, str]], took: float, later: float, age: float) -> None:
    assert standing(held(*fields, took=took), now=T + later).age == age


_FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["date", "expires", "last-modified", "age", "cache-control"]),
        st.one_of(
            st.floats(0, 4e9).map(http_date),
            st.integers().map(str),
            st.integers(-5, 10**12).map(lambda n: f"max-age={n}"),
            st.text(max_size=8),
        ),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(_FIELDS, st.floats(0, 4e9), st.floats(-100, 100), st.floats(0, 4e9), st.booleans())
def test_freshness_is_never_negative_and_never_endless(
    fields: list[tuple[str, str]], at: float, took: float, now: float, image: bool
) -> None:
    found = standing(held(*fields, at=at, took=took), now=now, heuristic=OF_IMAGES if image else OF_ANYTHING)
    assert found.age >= 0
    assert 0 <= found.lifetime <= LONGEST
    assert found.fresh != (found.staleness > 0 or found.lifetime == found.age)


@settings(deadline=None)
@given(_FIELDS, st.floats(0, 4e9), st.floats(-100, 100), st.floats(0, 4e9), st.booleans())
def test_a_response_is_fresh_until_its_time_and_no_longer(
    fields: list[tuple[str, str]], at: float, took: float, later: float, image: bool
) -> None:
    heuristic = OF_IMAGES if image else OF_ANYTHING
    entry = held(*fields, at=at, took=took)
    until = fresh_until(entry, heuristic=heuristic)
    for now in (entry.response_time, entry.response_time + later, *((until - 1, until + 1) if until else ())):
        fresh = may_reuse(entry, standing(entry, now=now, heuristic=heuristic)).reuse is Reuse.FRESH
        if now >= entry.response_time and (until is None or abs(now - until) > 1e-3):
            assert fresh == (until is not None and now < until)


@pytest.mark.parametrize("off", [-YEARS, YEARS])
@pytest.mark.parametrize("while_asking", [True, False])
def test_a_clock_ten_years_off_leaves_nothing_fresh_for_longer_than_was_said(
    off: float, while_asking: bool
) -> None:
    """The clock is wrong when the response comes, or at every later look, and right otherwise."""
    entry = held(cc("max-age=60"), ("date", http_date(T)), at=T + off if while_asking else T)
    looks = [T + later + (0 if while_asking else off) for later in (61, 3600, DAY)]
    assert not any(standing(entry, now=now).fresh for now in looks)


def test_what_a_redirect_led_to_is_fresh_no_longer_than_the_redirect() -> None:
    fields = (cc("max-age=31536000"), ("age", "100"))
    found = standing(held(*fields, bound=60.0), now=T + 59)
    assert (found.fresh, found.basis) == (True, Basis.REDIRECT)
    assert not standing(held(*fields, bound=60.0), now=T + 60).fresh
    assert standing(held(*fields, bound=2**31), now=T + DAY).basis is Basis.MAX_AGE


@pytest.mark.parametrize(
    ("status", "fields", "bound"),
    [
        (302, [], DAY),
        (302, [cc("max-age=60")], 60),
        (302, [cc("max-age=60"), ("age", "20")], 40),
        (302, [cc("no-cache")], 0),
        (302, [cc("no-store")], 0),
        (302, [("expires", "0")], 0),
        (301, [], 365 * DAY),
        (308, [cc("max-age=60")], 60),
    ],
)
def test_how_long_a_redirect_may_be_followed_unasked(
    status: int, fields: list[tuple[str, str]], bound: float
) -> None:
    assert redirect_lifetime_of(head(*fields, status=status), None, response_time=T) == bound
    assert redirect_lifetime_of(head(*fields, status=status), 5.0, response_time=T) == min(5.0, bound)


# What may be reused


def check(
    fields: list[tuple[str, str]], later: float, expected: Reuse, request: str = "", **kinds: int
) -> None:
    entry = held(*fields, **kinds)
    found, _ = may_reuse(entry, standing(entry, now=T + later), control(request))
    assert found is expected, (fields, later, request)


@pytest.mark.parametrize(
    ("value", "later", "expected"),
    [
        ("max-age=60", 59, Reuse.FRESH),
        ("max-age=60", 60, Reuse.NO),
        ("max-age=0", 0, Reuse.NO),
        ("private, max-age=60", 0, Reuse.FRESH),
        ("private", 0, Reuse.FRESH),
        ("max-age=60, must-revalidate", 59, Reuse.FRESH),
        ("max-age=60, immutable", 59, Reuse.FRESH),
        ("max-age=60, immutable", 61, Reuse.NO),
        ("no-cache, max-age=60", 0, Reuse.NO),
        ("No-Cache", 0, Reuse.NO),
        ('no-cache=""', 0, Reuse.NO),
        ('no-cache="set-cookie", max-age=60', 0, Reuse.FRESH),
        ("no-store", 0, Reuse.NO),
        ("max-age=60, no-store", 0, Reuse.NO),
        ("max-age=60, stale-while-revalidate=30", 90, Reuse.STALE),
        ("max-age=60, stale-while-revalidate=30", 91, Reuse.NO),
        ("max-age=60, stale-while-revalidate=30, must-revalidate", 61, Reuse.NO),
        ("max-age=60, stale-while-revalidate", 61, Reuse.NO),
        ("max-age=60, stale-if-error=30", 61, Reuse.NO),
    ],
)
def test_what_the_origin_says_of_reuse(value: str, later: float, expected: Reuse) -> None:
    check([cc(value)], later, expected)


@pytest.mark.parametrize(
    ("request_", "later", "expected"),
    [
        ("no-cache", 0, Reuse.NO),
        ("no-store", 0, Reuse.NO),
        ("max-age=0", 0, Reuse.NO),
        ("max-age=30", 29, Reuse.FRESH),
        ("max-age=30", 31, Reuse.NO),
        ("max-age=soon", 31, Reuse.FRESH),
        ("min-fresh=30", 30, Reuse.FRESH),
        ("min-fresh=30", 31, Reuse.NO),
        ("max-stale", 10_000, Reuse.STALE),
        ("max-stale=30", 90, Reuse.STALE),
        ("max-stale=30", 91, Reuse.NO),
        ("max-stale=x", 61, Reuse.NO),
        ("only-if-cached", 59, Reuse.FRESH),
        ("only-if-cached", 61, Reuse.NO),
    ],
)
def test_what_the_request_says_of_reuse(request_: str, later: float, expected: Reuse) -> None:
    check([cc("max-age=60")], later, expected, request_)


def test_a_request_for_something_stale_does_not_outweigh_an_origin_that_forbids_it() -> None:
    for directive in ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=9"):
        check([cc(f"max-age=60, {directive}")], 61, Reuse.NO, "max-stale")


def test_what_varies_by_anything_is_never_reused() -> None:
    for value in ("*", "*, *", ", *", "accept, *"):
        check([cc("max-age=60"), ("vary", value)], 0, Reuse.NO)


def test_pragma_in_a_response_is_heard_only_where_nothing_else_is_said() -> None:
    check([("pragma", "no-cache")], 0, Reuse.NO)
    check([("pragma", "no-cache"), cc("max-age=60")], 0, Reuse.FRESH)


@pytest.mark.parametrize(
    ("value", "answered", "later", "expected"),
    [
        ("max-age=60", None, 10_000, True),
        ("max-age=60", 503, 61, False),
        ("max-age=60, stale-if-error=30", 500, 90, True),
        ("max-age=60, stale-if-error=30", 500, 91, False),
        ("max-age=60, stale-if-error=30", 404, 61, False),
        ("max-age=60, stale-if-error=30", None, 10_000, True),
        ("max-age=60, must-revalidate", None, 61, False),
        ("max-age=60, must-revalidate, stale-if-error=30", 500, 61, False),
        ("no-cache", None, 0, False),
        ("no-store", None, 0, False),
    ],
)
def test_what_may_stand_in_for_an_origin_that_fails(
    value: str, answered: int | None, later: float, expected: bool
) -> None:
    entry = held(cc(value))
    assert may_stand_in(entry, standing(entry, now=T + later), answered=answered) is expected


def test_a_request_may_allow_a_stand_in_or_forbid_it() -> None:
    entry = held(cc("max-age=60"))
    late = standing(entry, now=T + 90)
    assert may_stand_in(entry, late, answered=500, request=control("stale-if-error=30"))
    assert not may_stand_in(entry, late, answered=500, request=control("stale-if-error=29"))
    assert not may_stand_in(entry, late, answered=None, request=control("no-cache"))


# What may be kept


@pytest.mark.parametrize(
    ("status", "value", "expected"),
    [
        (200, "", True), (404, "", True), (301, "", True), (302, "", False), (500, "", False),
        (302, "max-age=60", True), (500, "max-age=60", True), (599, "public", True), (599, "", False),
        (206, "max-age=60", False), (304, "max-age=60", False), (200, "no-store", False),
        (200, "max-age=60, no-store", False), (200, "no-cache", True), (200, "private", True),
        (299, "max-age=60", True), (299, "max-age=60, must-understand", False),
        (200, "max-age=60, must-understand", True),
    ],
)  # fmt: skip
def test_what_may_be_kept(status: int, value: str, expected: bool) -> None:
    assert may_keep(head(cc(value), status=status)) is expected
    assert not may_keep(head(cc(value), status=status), control("no-store"))


# Vary


@pytest.mark.parametrize(
    ("vary", "first", "second", "same"),
    [
        ("Foo", [("foo", "1")], [("FOO", "1")], True),
        ("Foo", [("foo", "1")], [("foo", "2")], False),
        ("Foo", [("foo", "1")], [], False),
        ("Foo", [], [("foo", "1")], False),
        ("Foo", [], [], True),
        ("Foo", [("foo", "1, 2")], [("foo", "1"), ("foo", "2")], True),
        ("Foo", [("foo", "1,2")], [("foo", " 1,  2 ")], True),
        ("Foo", [("foo", "1, 2")], [("foo", "2, 1")], False),
        ("Foo", [("foo", "a")], [("foo", "A")], False),
        ("Foo, Bar", [("foo", "1"), ("bar", "2")], [("bar", "2"), ("foo", "1")], True),
        ("Foo, Bar", [("foo", "1"), ("bar", "2")], [("foo", "1")], False),
        ("Accept-Language", [("accept-language", "en, de")], [("accept-language", "De , eN")], True),
        ("Accept", [("accept", "a/b;q=0.5, c/d")], [("accept", "c/d,a/b; q=0.5")], True),
        ("Accept", [("accept", "a/b;q=0.5")], [("accept", "a/b;q=0.6")], False),
        ("Other", [("foo", "1")], [("foo", "2")], True),
        ("", [("foo", "1")], [("foo", "2")], True),
    ],
)
def test_which_requests_a_variant_answers(
    vary: str, first: list[tuple[str, str]], second: list[tuple[str, str]], same: bool
) -> None:
    response = head(("vary", vary))
    entry = Entry(Key(URL), FACTS, response, T, T, selecting(response, first))
    assert matches(entry, second) is same


def test_another_share_of_the_time_can_be_chosen() -> None:
    modified = ("last-modified", http_date(T - 1000))
    assert standing(held(modified), now=T, heuristic=Heuristic(0.2, 1, 100)).lifetime == 100
