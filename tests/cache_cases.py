"""What a private cache must do, should do and may do, as data: requests in a row, and what becomes of each.

The cases follow the private-cache part of the public suite http-tests/cache-tests, section by section and
under its names, written anew for the form below. `required` is what the standard demands, `optimal` what a
good cache does besides, `check` what is left to the cache: there the case states what ours does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

Fields = tuple[tuple[str, "str | int"], ...]


@dataclass(frozen=True)
class Step:
    """A request, the answer the origin has ready for it, and what is to come of it."""

    answer: Fields = ()
    """Fields of the origin's answer; a number in a date field is seconds from now."""
    expect: str = ""
    """`cached`: no request; `fetched`: a request, answered in full; `etag`, `lm`: one with such a condition,
    answered 304; `background`: a request that the caller does not wait for."""
    ask: Fields = ()
    method: str = "GET"
    status: int = 200
    """Of the origin's answer."""
    given: int | None = None
    """The status that the caller gets, if it is another; 0 for an error instead of an answer."""
    body: str | None = None
    text: str | None = None
    """The body that the caller gets."""
    shows: Fields = ()
    """Fields that the caller gets; the value may begin with `>`."""
    hides: tuple[str, ...] = ()
    sends: Fields = ()
    """Fields that the origin gets; None where it must not."""
    cut: bool = False
    """Whether the origin closes the connection instead of answering."""
    wait: float = 0
    """Seconds that pass after it."""
    at: str = ""
    """What to add to the URL."""


@dataclass(frozen=True)
class Case:
    """One test: its steps in order, each with a fresh look at the clock."""

    section: str
    name: str
    kind: str
    steps: tuple[Step, ...]


CASES: list[Case] = []


def required(section: str, name: str, *steps: Step) -> None:
    CASES.append(Case(section, name, "required", steps))


def optimal(section: str, name: str, *steps: Step) -> None:
    CASES.append(Case(section, name, "optimal", steps))


def check(section: str, name: str, *steps: Step) -> None:
    CASES.append(Case(section, name, "check", steps))


def cc(*values: str) -> Fields:
    return tuple(("cache-control", value) for value in values)


CACHED, FETCHED = Step(expect="cached"), Step(expect="fetched")
FRESH = Step(
    (("expires", 100_000), *cc("max-age=100000"), ("last-modified", 0), ("date", 0)), "fetched", wait=3
)
STALE = Step((("expires", -5000), ("last-modified", -100_000), ("date", 0)), "fetched")
BECOMES_STALE = Step((*cc("max-age=2"), ("template-a", "1")), "fetched", wait=3)


def first(*answer: tuple[str, str | int], wait: float = 3) -> Step:
    return Step(answer, "fetched", wait=wait)


def after_fresh(*answer: tuple[str, str | int]) -> Step:
    return replace(FRESH, answer=(*FRESH.answer, *answer))


# Freshness by Cache-Control

S = "cc-freshness"
check(S, "freshness-none", first(), FETCHED)
optimal(S, "freshness-max-age", first(*cc("max-age=3600")), CACHED)
required(S, "freshness-max-age-stale", BECOMES_STALE, FETCHED)
required(S, "freshness-max-age-0", first(*cc("max-age=0")), FETCHED)
for number in (2147483647, 2147483648, 2147483649, 99999999999):
    optimal(S, f"freshness-max-age-{number}", first(*cc(f"max-age={number}")), CACHED)
required(S, "freshness-max-age-age", first(("date", 0), *cc("max-age=3600"), ("age", "7200")), FETCHED)
check(S, "freshness-max-age-date", first(("date", -7200), *cc("max-age=3600")), FETCHED)
optimal(S, "freshness-max-age-expires", first(*cc("max-age=3600"), ("expires", -7200), ("date", 0)), CACHED)
optimal(
    S, "freshness-max-age-expires-invalid",
    first(*cc("max-age=3600"), ("expires", "0"), ("date", 0)), CACHED,
)  # fmt: skip
required(S, "freshness-max-age-0-expires", first(("expires", 3600), *cc("max-age=0"), ("date", 0)), FETCHED)
optimal(S, "freshness-max-age-extension", first(*cc("foobar, max-age=3600")), CACHED)
optimal(S, "freshness-max-age-case-insensitive", first(*cc("MaX-aGe=3600")), CACHED)
required(S, "freshness-max-age-negative", first(*cc("max-age=-3600")), FETCHED)
required(S, "freshness-max-age-s-maxage-private", first(*cc("s-maxage=3600, max-age=1")), FETCHED)
required(S, "freshness-max-age-s-maxage-private-multiple", first(*cc("s-maxage=3600", "max-age=1")), FETCHED)

S = "cc-parse"
check(S, "two-fresh-stale-sameline", first(*cc("max-age=1800, max-age=1")), CACHED)
check(S, "two-fresh-stale-sepline", first(*cc("max-age=1800", "max-age=1")), CACHED)
check(S, "two-stale-fresh-sameline", first(*cc("max-age=1, max-age=1800")), FETCHED)
check(S, "two-stale-fresh-sepline", first(*cc("max-age=1", "max-age=1800")), FETCHED)
required(S, "ignore-quoted", first(*cc('extension="max-age=3600", max-age=1')), FETCHED)
required(S, "ignore-quoted-rev", first(*cc('max-age=1, extension="max-age=3600"')), FETCHED)
check(S, "quoted", first(*cc('max-age="3600"')), CACHED)
check(S, "space-before-equals", first(*cc("max-age =3600")), FETCHED)
check(S, "space-after-equals", first(*cc("max-age= 3600")), FETCHED)
optimal(S, "leading-zero", first(*cc("max-age=003600")), CACHED)
required(S, "single-quoted", first(*cc("max-age='3600'")), FETCHED)
for value in ("3600.0", "3600.5", "a3600", "3600a"):
    check(S, f"malformed-{value}", first(*cc(f"max-age={value}")), FETCHED)

S = "age-parse"
for name, values, step in (
    ("nonnumeric", ("abc",), CACHED),
    ("negative", ("-7200",), CACHED),
    ("float", ("7200.0",), CACHED),
    ("suffix", ("7200,0",), FETCHED),
    ("suffix-twoline", ("7200", "0"), FETCHED),
    ("prefix", ("0,7200",), CACHED),
    ("prefix-twoline", ("0", "7200"), CACHED),
    ("dup-0", ("0, 0",), CACHED),
    ("dup-0-twoline", ("0", "0"), CACHED),
    ("dup-old", ("7200, 7200",), FETCHED),
    ("dup-old-twoline", ("7200", "7200"), FETCHED),
):
    check(S, name, first(("date", 0), *cc("max-age=3600"), *(("age", value) for value in values)), step)

# Freshness by Expires

S = "expires"
check(S, "freshness-expires-none", first(), FETCHED)
optimal(S, "freshness-expires-future", first(("expires", 30 * 86400), ("date", 0)), CACHED)
required(S, "freshness-expires-past", first(("expires", -30 * 86400), ("date", 0)), FETCHED)
required(S, "freshness-expires-present", first(("expires", 0), ("date", 0), wait=0), FETCHED)
required(S, "freshness-expires-old-date", first(("expires", 300), ("date", 400)), FETCHED)
required(S, "freshness-expires-invalid", first(("expires", "0"), ("date", 0)), FETCHED)
optimal(S, "freshness-expires-invalid-date", first(("date", "foo"), ("expires", 10), wait=0), CACHED)
required(S, "freshness-expires-age-slow-date", first(("date", -10), ("expires", 10), ("age", "25")), FETCHED)
required(S, "freshness-expires-age-fast-date", first(("date", 10), ("expires", 20), ("age", "15")), FETCHED)
for name, text in (
    ("far-future", "Sun, 21 Nov 2286 04:46:39 GMT"),
    ("rfc850", "Thursday, 18-Aug-50 02:01:18 GMT"),
    ("ansi-c", "Thu Aug 18 02:01:18 2050"),
):
    optimal(S, f"freshness-expires-{name}", first(("expires", text), ("date", 0)), CACHED)

S = "expires-parse"
for name, text, step in (
    ("wrong-case-weekday", "THU, 18 Aug 2050 02:01:18 GMT", CACHED),
    ("wrong-case-month", "Thu, 18 AUG 2050 02:01:18 GMT", CACHED),
    ("wrong-case-tz", "Thu, 18 Aug 2050 02:01:18 gMT", CACHED),
    ("utc", "Thu, 18 Aug 2050 02:01:18 UTC", FETCHED),
    ("2-digit-year", "Thu, 18 Aug 50 02:01:18 GMT", FETCHED),
    ("no-comma", "Thu 18 Aug 2050 02:01:18 GMT", FETCHED),
    ("multiple-spaces", "Thu, 18  Aug  2050 02:01:18 GMT", FETCHED),
    ("date-dashes", "Thu, 18-Aug-2050 02:01:18 GMT", FETCHED),
    ("time-periods", "Thu, 18 Aug 2050 02.01.18 GMT", FETCHED),
    ("1-digit-hour", "Thu, 18 Aug 2050 2:01:18 GMT", FETCHED),
):
    check(S, name, first(("expires", text), ("date", 0)), step)

# What requests and responses say besides

S = "cc-request"
AGED = (*cc("max-age=1500"), ("age", "1000"))


def asks(value: str, expect: str, **more: int) -> Step:
    return Step(expect=expect, ask=cc(value), given=more.get("given"))


check(S, "ma0", FRESH, asks("max-age=0", "fetched"))
check(S, "ma1", FRESH, asks("max-age=1", "fetched"))
check(S, "magreaterage", first(*cc("max-age=3600"), ("age", "1800")), asks("max-age=600", "fetched"))
check(S, "max-stale", first(*cc("max-age=1")), asks("max-stale=1000", "cached"))
check(S, "max-stale-age", first(*cc("max-age=1500"), ("age", "2000")), asks("max-stale=1000", "cached"))
check(S, "min-fresh", first(*cc("max-age=1500")), asks("min-fresh=2000", "fetched"))
check(S, "min-fresh-age", first(*AGED), asks("min-fresh=1000", "fetched"))
check(S, "no-cache", first(*cc("max-age=3600")), asks("no-cache", "fetched"))
check(
    S, "no-cache-lm", first(*cc("max-age=3600"), ("last-modified", -10_000), ("date", 0)),
    asks("no-cache", "lm"),
)  # fmt: skip
check(S, "no-cache-etag", first(*cc("max-age=3600"), ("etag", '"abc"')), asks("no-cache", "etag"))
check(S, "no-store", first(*cc("max-age=3600")), asks("no-store", "fetched"))
check(S, "oic", asks("only-if-cached", "cached", given=504))

S = "cc-response"
DATES: Fields = (("expires", 10_000), ("date", 0))
optimal(S, "private-private", first(*cc("private, max-age=3600")), CACHED)
required(S, "no-store", first(*cc("no-store")), FETCHED)
required(S, "no-store-case-insensitive", first(*cc("No-StOrE")), FETCHED)
required(S, "no-store-fresh", first(*cc("max-age=10000, no-store"), *DATES), FETCHED)
check(S, "no-store-old-new", first(*cc("max-age=2"), ("a", "1")), first(*cc("no-store"), ("a", "2")), FETCHED)
required(S, "no-cache", first(*cc("max-age=10000, no-cache"), *DATES), FETCHED)
required(S, "no-cache-case-insensitive", first(*cc("max-age=10000, No-CaChE"), *DATES), FETCHED)
optimal(S, "no-cache-revalidate", first(*cc("no-cache"), ("etag", '"abcd"')), Step(expect="etag"))
optimal(
    S, "no-cache-revalidate-fresh",
    first(*cc("max-age=10000, no-cache"), *DATES, ("etag", '"abcd"')), Step(expect="etag"),
)  # fmt: skip
check(
    S, "no-cache-single-field", first(*cc('no-cache="a"', "max-age=3600"), ("a", "1"), ("b", "2")),
    Step(expect="cached", shows=(("b", "2"),), hides=("a",)),
)  # fmt: skip
check(
    S, "no-cache-fields", first(*cc('no-cache="a, b"', "max-age=3600"), ("a", "1"), ("b", "2"), ("c", "3")),
    Step(expect="cached", shows=(("c", "3"),), hides=("a", "b")),
)  # fmt: skip
MUST: Fields = (*cc("max-age=10000, must-revalidate"), ("etag", '"abcd"'))
optimal(S, "must-revalidate-fresh", first(*MUST), CACHED)
required(
    S, "must-revalidate-stale", first(*cc("max-age=2, must-revalidate"), ("etag", '"abcd"'), wait=0),
    Step(expect="cached", wait=3), Step(expect="etag"),
)  # fmt: skip
optimal(
    S, "immutable-fresh", first(*cc("max-age=10000, immutable"), ("etag", '"abcd"')),
    asks("max-age=0", "cached"),
)  # fmt: skip
required(
    S, "immutable-stale", first(*cc("max-age=2, immutable"), ("etag", '"abcd"')), asks("max-age=0", "etag")
)

S = "pragma"
check(
    S, "request-no-cache", first(*cc("max-age=3600")), Step(expect="fetched", ask=(("pragma", "no-cache"),))
)
check(S, "request-extension", first(*cc("max-age=3600")), Step(expect="cached", ask=(("pragma", "x"),)))
check(S, "response-no-cache", first(*cc("max-age=3600"), ("pragma", "no-cache")), CACHED)
check(S, "response-no-cache-heuristic", first(("last-modified", -10_000), ("pragma", "no-cache")), FETCHED)
check(S, "response-extension", first(*cc("max-age=3600"), ("pragma", "x")), CACHED)

# Stale answers

S = "cc-stale"
NEWER = (*cc("max-age=3600"), ("etag", '"def"'))
optimal(
    S, "stale-while-revalidate",
    first(*cc("max-age=0, stale-while-revalidate=3600"), ("etag", '"abc"')),
    Step(NEWER, shows=(("etag", '"abc"'),), wait=3, expect="background"),
    Step(expect="cached", shows=(("etag", '"def"'),)),
)  # fmt: skip
check(S, "stale-if-error-response", first(*cc("max-age=0, stale-if-error=3600")), Step(status=500, given=200))
required(
    S, "stale-if-error-response-expired", first(*cc("max-age=0, stale-if-error=1")),
    Step(status=500, given=500),
)  # fmt: skip
check(
    S, "stale-if-error-request", first(*cc("max-age=0")),
    Step(status=500, ask=cc("stale-if-error=3600"), given=200),
)  # fmt: skip
required(
    S, "stale-if-error-request-expired", first(*cc("max-age=0")),
    Step(status=500, ask=cc("stale-if-error=1"), given=500),
)  # fmt: skip

S = "stale"
check(S, "stale-close", BECOMES_STALE, Step(cut=True, given=200))
check(S, "stale-503", BECOMES_STALE, Step(status=503, given=503))
check(S, "stale-sie-close", first(*cc("max-age=2, stale-if-error=60")), Step(cut=True, given=200))
check(S, "stale-sie-503", first(*cc("max-age=2, stale-if-error=60")), Step(status=503, given=200))
for directive in ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=2"):
    required(S, f"stale-close-{directive}", first(*cc(f"max-age=2, {directive}")), Step(cut=True, given=0))

# Statuses

S = "heuristic"
DAY_OLD: Fields = (("last-modified", -86400), ("date", 0))
for code in (200, 203, 204, 404, 405, 410, 414, 501):
    optimal(S, f"heuristic-{code}", Step(DAY_OLD, "fetched", status=code), Step(expect="cached", given=code))
for code in (201, 202, 403, 502, 503, 504, 599):
    required(S, f"heuristic-{code}", Step(DAY_OLD, "fetched", status=code), FETCHED)
optimal(
    S, "heuristic-599-public", Step((*DAY_OLD, *cc("public")), "fetched", status=599),
    Step(expect="cached", given=599),
)  # fmt: skip
for ago in (5, 10, 30, 60, 300, 600, 1200, 1800, 3600, 43200, 86400):
    check(
        S, f"heuristic-delta-{ago}", first(("last-modified", -ago), ("date", 0)),
        CACHED if ago > 30 else FETCHED,
    )  # fmt: skip

S = "status"
for code in (200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599):
    optimal(S, f"status-{code}-fresh", replace(FRESH, status=code), Step(expect="cached", given=code))
    required(S, f"status-{code}-stale", replace(STALE, status=code), FETCHED)

# Fields that are kept, and what a 304 changes of them

S = "headers"
for name, text in (
    ("test-header", "x"), ("x-test-header", "x"), ("content-type", "text/plain"), ("x-frame-options", "deny"),
    ("clear-site-data", "cookies"), ("public-key-pins", "x"), ("strict-transport-security", "x"),
    ("www-authenticate", "x"),
):  # fmt: skip
    stores = first((name, text), *cc("max-age=3600"), ("date", 0))
    check(S, f"store-{name}", stores, Step(expect="cached", shows=((name, text),)))
for name in ("proxy-authenticate", "proxy-connection", "set-cookie", "set-cookie2", "upgrade"):
    check(S, f"store-{name}", first((name, "x"), *cc("max-age=3600")), Step(expect="cached", hides=(name,)))
required(
    S, "omit-listed-in-connection",
    first(("connection", "a, b"), ("a", "1"), ("b", "2"), ("c", "3"), *cc("max-age=3600"), ("date", 0)),
    Step(expect="cached", shows=(("c", "3"),), hides=("connection", "a", "b")),
)  # fmt: skip

S = "update304"
VALIDATORS: dict[str, tuple[str, str | int]] = {
    "lm": ("last-modified", "Mon, 13 Nov 2023 22:13:20 GMT"), "etag": ("etag", '"1"'),
}  # fmt: skip
required(
    S, "lm-use-stored",
    first(*cc("max-age=1"), VALIDATORS["lm"], ("date", 0), ("test-header", "A")),
    Step((*cc("max-age=3600"), VALIDATORS["lm"], ("date", 0)), "lm", shows=(("test-header", "A"),)),
)  # fmt: skip
for name, old, new, must in (
    ("test-header", "A", "B", True), ("x-test-header", "A", "B", True), ("content-foo", "A", "B", True),
    ("x-content-foo", "A", "B", True), ("cache-control", "max-age=1", "max-age=3600", True),
    ("content-location", "/foo", "/bar", False), ("content-security-policy", "x", "y", False),
    ("content-md5", "rL0Y20zC+Fzt72VPzMSk2A==", "N7UdGUp1E+RbVvZSTy1R8g==", False),
    ("x-frame-options", "deny", "sameorigin", False), ("clear-site-data", "cache", "cookies", False),
    ("public-key-pins", "A", "B", False),
):  # fmt: skip
    for by, validator in VALIDATORS.items():
        lives: Fields = () if name == "cache-control" else cc("max-age=1")
        lives_on: Fields = () if name == "cache-control" else cc("max-age=3600")
        before = first(*lives, ("date", 0), validator, (name, old))
        confirmed = Step((*lives_on, ("date", 0), validator, (name, new)), by, wait=3)
        kind = required if must else check
        kind(S, f"{by}-update-response-{name}", before, replace(confirmed, shows=((name, new),)))
        kind(S, f"{by}-update-stored-{name}", before, confirmed, Step(expect="cached", shows=((name, new),)))
for by, validator in VALIDATORS.items():
    check(
        S, f"{by}-leaves-content-type",
        first(*cc("max-age=1"), validator, ("content-type", "text/plain")),
        Step(
            (*cc("max-age=3600"), validator, ("content-type", "text/html")), by,
            shows=(("content-type", "text/plain"),),
        ),
    )  # fmt: skip

# Validation

S = "conditional-etag"
required(
    S, "vary-headers",
    replace(first(("expires", 1), ("etag", '"abcdef"'), ("date", 0), ("vary", "abc")), ask=(("abc", "123"),)),
    Step(expect="etag", ask=(("abc", "123"),), sends=(("abc", "123"),)),
)  # fmt: skip
check(
    S, "vary-headers-mismatch",
    replace(
        first(("expires", 10_000), ("etag", '"abcdef"'), ("date", 0), ("vary", "abc")), ask=(("abc", "123"),)
    ),
    Step(expect="fetched", ask=(("abc", "456"),)),
)  # fmt: skip
for name, tag in (("strong", '"abcdef"'), ("weak", 'W/"abcdef"')):
    optimal(
        S, f"{name}-generate", first(*cc("max-age=2"), ("etag", tag)),
        Step(expect="etag", sends=(("if-none-match", tag),)),
    )  # fmt: skip
check(
    S, "forward", Step(ask=(("if-none-match", '"abcdef"'),), sends=(("if-none-match", '"abcdef"'),)),
)  # fmt: skip

S = "invalidation"
SAME = Step(at="?x", expect="fetched", answer=FRESH.answer)
for method in ("POST", "PUT", "DELETE", "M-SEARCH"):
    unsafe = Step(method=method, expect="fetched")
    required(S, f"invalidate-{method}", FRESH, unsafe, FETCHED)
    optimal(S, f"invalidate-{method}-failed", FRESH, replace(unsafe, status=500), CACHED)
    for name in ("location", "content-location"):
        naming = replace(unsafe, answer=((name, "?x"),))
        # RFC 9111 §4.4 has made a MAY of what was a MUST in RFC 7234.
        check(S, f"invalidate-{method}-{name}", SAME, naming, replace(FETCHED, at="?x"))

# Vary

S = "vary"
VARIES: Fields = (*cc("max-age=5000"), ("last-modified", -3000), ("date", 0))


def varied(vary: str, **ask: str) -> Step:
    return Step((*VARIES, ("vary", vary)), "fetched", ask=headers(**ask))


def then(expect: str, **ask: str) -> Step:
    return Step(expect=expect, ask=headers(**ask))


def headers(**ask: str) -> Fields:
    return tuple((name.replace("_", "-"), value) for name, value in ask.items())


ONE = varied("Foo", foo="1")
TWO = varied("Foo, Bar", foo="1", bar="abc")
THREE = varied("Foo, Bar, Baz", foo="1", bar="abc", baz="789")
optimal(S, "match", ONE, then("cached", foo="1"))
required(S, "no-match", ONE, then("fetched", foo="2"))
required(S, "omit-stored", varied("Foo"), then("fetched", foo="1"))
required(S, "omit", ONE, FETCHED)
optimal(
    S, "invalidate", replace(ONE, body="foo_1"), replace(varied("Foo", foo="2"), body="foo_2"),
    replace(then("cached", foo="1"), text="foo_1"),
)  # fmt: skip
optimal(S, "cache-key", varied("Foo", foo="1", other="2"), then("cached", foo="1", other="3"))
optimal(S, "2-match", TWO, then("cached", foo="1", bar="abc"))
required(S, "2-no-match", TWO, then("fetched", foo="2", bar="abc"))
required(S, "2-match-omit", TWO, FETCHED)
optimal(S, "3-match", THREE, then("cached", foo="1", bar="abc", baz="789"))
required(S, "3-no-match", THREE, then("fetched", foo="2", bar="abc", baz="789"))
required(S, "3-order", THREE, then("fetched", foo="1", baz="789", bar="abcde"))
optimal(S, "3-omit", varied("Foo, Bar, Baz", foo="1", baz="789"), then("cached", foo="1", baz="789"))
required(S, "star", varied("*", foo="1", baz="789"), then("fetched", foo="1", baz="789"))
optimal(
    S, "normalise-combine", varied("Foo", foo="1, 2"),
    Step(expect="cached", ask=(("foo", "1"), ("foo", "2"))),
)  # fmt: skip
LANGUAGE = varied("Accept-Language", accept_language="en, de")
optimal(S, "normalise-lang-order", LANGUAGE, then("cached", accept_language="de, en"))
optimal(S, "normalise-lang-case", LANGUAGE, then("cached", accept_language="eN, De"))
optimal(S, "normalise-lang-space", LANGUAGE, then("cached", accept_language="en ,   de"))
optimal(
    S, "normalise-lang-select", replace(LANGUAGE, answer=(*LANGUAGE.answer, ("content-language", "de"))),
    then("cached", accept_language="fr;q=0.5, de;q=1.0"),
)  # fmt: skip
optimal(S, "normalise-space", varied("Foo", foo="1,2"), then("cached", foo="1,  2"))

S = "vary-parse"
for name, lines in (
    ("star", ("*",)), ("star-star", ("*, *",)), ("star-star-lines", ("*", "*")), ("empty-star", (", *",)),
    ("empty-star-lines", ("", "*")), ("star-foo", ("*, Foo",)), ("foo-star", ("Foo, *",)),
):  # fmt: skip
    answer: Fields = (*VARIES, *(("vary", line) for line in lines))
    required(
        S, f"syntax-{name}", Step(answer, "fetched", ask=headers(foo="1", baz="789")),
        then("fetched", foo="1", baz="789"),
    )  # fmt: skip

# The rest

S = "other"
required(S, "age-gen", FRESH, Step(expect="cached", shows=(("age", ">2"),)))
required(
    S, "age-update-expires", first(("expires", 30 * 86400), ("date", 0), ("age", "30")),
    Step(expect="cached", shows=(("age", ">32"),)),
)  # fmt: skip
required(S, "age-update-max-age", after_fresh(("age", "30")), Step(expect="cached", shows=(("age", ">32"),)))
required(S, "date-update", FRESH, Step(expect="cached", shows=(("date", -3),)))
EXPIRING = first(("expires", 30 * 86400), ("date", 0))
required(S, "date-update-expires", EXPIRING, Step(expect="cached", shows=(("date", -3),)))
check(S, "expires-update", EXPIRING, Step(expect="cached", shows=(("expires", 30 * 86400 - 3),)))
required(S, "query-args-different", replace(FRESH, at="?a=1"), Step(at="?a=2", expect="fetched"))
optimal(S, "query-args-same", replace(FRESH, at="?a=1"), Step(at="?a=1", expect="cached"))
ATTACHED = ("content-disposition", "attachment; filename=example.txt")
check(S, "disposition-heuristic", first(("last-modified", -100_000), ("date", 0), ATTACHED), CACHED)
check(S, "disposition-fresh", after_fresh(ATTACHED), CACHED)
optimal(S, "set-cookie", after_fresh(("set-cookie", "a=b")), CACHED)
optimal(S, "cookie", FRESH, then("cached", cookie="a=b"))

S = "method"
optimal(
    S, "POST",
    Step((("expires", 30 * 86400), ("content-location", ""), ("date", 0)), "fetched", method="POST"), CACHED,
)  # fmt: skip

S = "update-head"
check(S, "writethrough", BECOMES_STALE, Step(method="HEAD", expect="fetched"))
check(S, "from-get", FRESH, Step(method="HEAD", expect="cached", text=""))

S = "partial"
WHOLE = replace(first(*cc("max-age=3600")), body="01234567890")
for name, part, text in (
    ("complete-reuse-partial", "0-1", "01"), ("complete-reuse-partial-no-last", "1-", "1234567890"),
    ("complete-reuse-partial-suffix", "-1", "0"),
):  # fmt: skip
    optimal(S, name, WHOLE, Step(ask=(("range", f"bytes={part}"),), expect="cached", given=206, text=text))
PART = Step(
    (*cc("max-age=3600"), ("content-range", "bytes 5-9/10")), "fetched", status=206, body="56789",
    ask=(("range", "bytes=-5"),),
)  # fmt: skip
for name, part, text in (
    ("partial-reuse-partial", "-5", "56789"), ("partial-reuse-partial-byterange", "6-8", "678"),
    ("partial-reuse-partial-absent", "6-", "6789"), ("partial-reuse-partial-suffix", "-1", "9"),
):  # fmt: skip
    optimal(S, name, PART, Step(ask=(("range", f"bytes={part}"),), expect="cached", given=206, text=text))
optimal(
    S, "partial-complete", replace(PART, answer=(*cc("max-age=3600"), ("content-range", "bytes 0-4/10"))),
    Step(sends=(("range", "bytes=5-"),)),
)  # fmt: skip

NOT_FOR_IMAGES = frozenset(
    {
        # No part of an image is kept: it could not be proved, and it is of no use.
        "partial-reuse-partial", "partial-reuse-partial-byterange", "partial-reuse-partial-absent",
        "partial-reuse-partial-suffix", "partial-complete",
        "POST",  # no image answers a POST
        "normalise-lang-select",  # languages are the page's business
    }
)  # fmt: skip
"""Optimal cases that a private cache of images has no use for; they fail, and a test holds that they do."""

SELECTED_BY_CALLER = frozenset({"cache-key", "cookie", "normalise-space"})
"""Optimal cases that give one caller what another has brought, who sent other fields: none is given here."""
