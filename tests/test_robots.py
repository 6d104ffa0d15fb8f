"""What robots.txt says, by RFC 9309 and by what Google's parser is held to."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.model.request import Head
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.rules.crawl import opt_out, robots
from imgfetch.rules.crawl.robots import Rules, read


def check(text: str, allowed: str = "", refused: str = "", *, agent: str = "foobot") -> None:
    """Of the targets, in words, the first may be asked for and the others not."""
    rules = read(text.encode(), agent)
    assert [target for target in allowed.split() if not rules.allows(target)] == []
    assert [target for target in refused.split() if rules.allows(target)] == []


def test_the_example_of_rfc_9309_5_1() -> None:
    text = """
        User-Agent: *
        Disallow: *.gif$
        Disallow: /example/
        Allow: /publications/

        User-Agent: foobot
        Disallow:/
        Allow:/example/page.html
        Allow:/example/allowed.gif

        User-Agent: barbot
        User-Agent: bazbot
        Disallow: /example/page.html

        User-Agent: quxbot
    """
    check(text, "/example/page.html /example/allowed.gif", "/ /publications/ /example/")
    for agent in ("barbot", "bazbot"):
        check(text, "/ /example/ /a.gif", "/example/page.html /example/page.html?x", agent=agent)
    check(text, "/ /example/page.html /a.gif", agent="quxbot")
    check(text, "/publications/ /a.gifs /", "/example/ /a.gif /b/a.gif", agent="imgfetch")


def test_the_longest_pattern_decides_and_of_two_as_long_the_one_that_allows() -> None:
    group = "user-agent: foobot\n"
    check(group + "disallow: /x/page.html\nallow: /x/", "/x/ /x/page", "/x/page.html")
    check(group + "allow: /x/page.html\ndisallow: /x/", "/x/page.html /", "/x/")
    check(group + "disallow: /x\nallow: /x/", "/x/ /", "/x")
    check(group + "disallow: /\nallow: /", "/ /x")
    check(group + "disallow: /x\nallow: /x", "/x")
    check(group + "disallow: /*\nallow: /x", "/x", "/y")
    check(group + "disallow:\nallow:", "/x")
    check(group + "allow: /page\ndisallow: /*.html", "/page", "/page.html")
    check(group + "allow: /x/page.\ndisallow: /*.html", "/x/page.html", "/x/y.html")
    # RFC 9309 §5.2
    check(group + "Allow: /example/page/\nDisallow: /example/page/disallowed.gif", "/example/page/",
          "/example/page/disallowed.gif")  # fmt: skip


def test_a_star_matches_anything_and_a_final_dollar_the_end() -> None:
    only = "user-agent: foobot\ndisallow: /\nallow: "
    fish = "/fish /fish.html /fish/salmon.html /fishheads /fish.html?id=anything"
    check(only + "/fish", fish, "/Fish.asp /catfish /?id=fish")
    check(only + "/fish*", fish, "/Fish.asp /catfish /?id=fish")
    check(only + "/fish/", "/fish/ /fish/?salmon /fish/salmon.html", "/fish /fish.html /Fish/Salmon.html")
    php = "/filename.php /folder/any.php"
    check(only + "/*.php", php + " /a.php?x //a/b.php.file.html /index?f=a.php/", "/php/ /windows.PHP")
    check(only + "/*.php$", php, "/a.php?x /a.php/ /a.php5 /a?php /aaaphpaaa")
    check(only + "/fish*.php", "/fish.php /fishheads/cat.php?x", "/Fish.PHP")
    check(only + "/$", "/", "/page.html")
    check(only + "/a*b*c$", "/abc /aXbXbcXc", "/abcd /ab /ac")
    check(only + "/ab*b$", "/abb /abxb", "/ab /abbx")
    check(only + "/a$b", "/a$bc /a%24b", "/a /ab")
    check(only + "/****a****$", "/xxa /axx")
    check("user-agent: foobot\ndisallow: /a*", refused="/a /ab")


def test_an_escape_equals_its_character_unless_it_is_reserved() -> None:
    only = "user-agent: foobot\ndisallow: /\nallow: "
    # The table of RFC 9309 §2.2.2
    check(only + "/foo/bar?baz=quz", "/foo/bar?baz=quz")
    check(only + "/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https://foo.bar")
    check(only + "/foo/bar/ツ", "/foo/bar/%E3%83%84 /foo/bar/%e3%83%84")
    check(only + "/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84")
    check(only + "/foo/bar/%62%61%7A", "/foo/bar/baz /foo/bar/%62%61%7a")
    check(only + "/a%2Fb", "/a%2fb", "/a/b")
    check(only + "/a b", "/a%20b", "/a")
    for pattern in ("/a?it's", "/a?it%27s"):  # as people write it, and as it is asked for
        check(only + pattern, "/a?it's /a?it%27s", "/a?its")
    # §2.2.3: special characters, verbatim
    check(only + "/a-%2A.html", "/a-*.html /a-%2a.html", "/a-b.html")
    check(only + "/a-%24", "/a-$ /a-%24", "/a-")


def test_joins_groups_and_uses_the_common_one_without_an_own_group() -> None:
    text = (
        "allow: /foo/bar/\n\nuser-agent: FooBot\ndisallow: /\nallow: /x/\n"
        "user-agent: BarBot\ndisallow: /\nallow: /y/\n\n\nallow: /w/\nuser-agent: BazBot\n\n"
        "user-agent: FooBot\nallow: /z/\ndisallow: /\n"
    )
    check(text, "/x/b /z/d", "/y/c /foo/bar/")
    check(text, "/y/c /w/a", "/z/d /foo/bar/", agent="barbot")
    check(text, "/z/d", "/foo/bar/", agent="bazbot")
    check("user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /", refused="/x")
    check("user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /", "/x", agent="barbot")
    check("user-agent: FooBot\nallow: /\nuser-agent: BarBot\ndisallow: /", "/x", agent="quxbot")
    check("user-agent: *\ndisallow: /x/\nuser-agent: FooBot\ndisallow: /y/", "/x/", "/y/")
    check("user-agent: *\nuser-agent: FooBot\ndisallow: /y/", "/", "/y/", agent="barbot")
    # What is no rule parts no group
    check("user-agent: foobot\nSitemap: https://h/s.xml\ncrawl-delay: 9\nuser-agent: b\ndisallow: /", "", "/")
    check("", "/ /x")


def test_accepts_misspelt_lines() -> None:
    for text in (
        "USER-AGENT: FOOBOT\nDISALLOW: /",
        "uSeR-aGeNt: foobot/2.1\ndIsAlLoW: /",
        "user-agent foobot\ndisallow /",
        "user-agent: FooBot Bar\ndisallow: /",
        "useragent: foobot\ndissalow: /",
        "\ufeffuser-agent: foobot\r\ndisallow: / # everything",
        "user-agent: foobot\rdisallow: /",
        "user-agent: foobot\n\n\ndisallow: /",
        "  user-agent  :  *  \n\tdisallow :/",
    ):
        check(text, "/robots.txt", "/ /x")
    for text in (
        "foo: foobot\nbar: /",
        "user-agent: foobot\n# disallow: /",
        "user-agent: foobot\ndisallow: /X",
        "user-agent: foobot\ndisallow: x",
        "user-agent: foobot\ndisallow: https://h.example/x",
        "user-agent: foobotto\ndisallow: /",
        "user-agent: foo\ndisallow: /",
        "user-agent: *bot\ndisallow: /",
        "<!doctype html><title>Not found</title><p>user-agent: *<p>disallow: /",
    ):
        check(text, "/x /")
    check("user-agent: foobot\ndisallow: /foo/quz#qux\nallow: /", "/foo/bar", "/foo/quz")


def test_reads_500_kib_at_most() -> None:
    filler = "#" * 100 + "\n"
    beginning = "user-agent: *\ndisallow: /a\n"
    text = beginning + filler * ((robots.LONGEST - len(beginning)) // len(filler) - 1) + "disallow: /b\n"
    check(text, "/c", "/a /b")
    check(text + filler * 2 + "disallow: /c\n", "/c", "/a /b")


@settings(deadline=None)
@given(st.binary(max_size=300), st.text(max_size=20))
def test_reads_any_bytes(data: bytes, target: str) -> None:
    assert read(data, "foobot").allows("/" + target) in (True, False)


_PATTERNS = st.text("/ab*$", max_size=8).map(lambda text: "/" + text)


@settings(deadline=None)
@given(st.lists(st.tuples(_PATTERNS, st.booleans()), max_size=5), st.text("/ab", max_size=10))
def test_the_longest_matching_pattern_decides_for_random_rules(
    rules: list[tuple[str, bool]], rest: str
) -> None:
    lines = [f"{'allow' if allow else 'disallow'}: {pattern}" for pattern, allow in rules]
    read_rules = read("\n".join(["user-agent: *", *lines]).encode(), "foobot")

    def regex(pattern: str) -> str:
        body = pattern.removesuffix("$")
        parts = (".*" if character == "*" else re.escape(character) for character in body)
        return "".join(parts) + ("$" if pattern.endswith("$") else "")

    def weight(pattern: str) -> int:
        body = re.sub(r"\*+", "*", pattern.removesuffix("$")).replace("$", "%24")
        return len(body) + pattern.endswith("$")

    matching = [(weight(pattern), allow) for pattern, allow in rules if re.match(regex(pattern), "/" + rest)]
    assert read_rules.allows("/" + rest) == (max(matching)[1] if matching else True)


def test_many_crawlers_and_many_rules_cost_linear_time() -> None:
    agents = "".join(f"user-agent: a{number}\n" for number in range(10_000))
    rules = "".join(f"disallow: /{number}\n" for number in range(10_000))
    assert read((agents + rules).encode(), "foobot") == Rules()
    assert len(read((agents + "user-agent: foobot\n" + rules).encode(), "foobot").rules) == 10_000
    check("user-agent: *\ndisallow: /" + "*a" * 200_000 + "$", "/" + "a" * 16_000)


def test_patterns_that_take_too_long_allow_nothing() -> None:
    beginning = "user-agent: *\n" + "".join(
        f"disallow: /*a{number:04}b{'a' * 45}\n" for number in range(9000)
    )
    check(beginning, "/a" + "a" * 400, "/a" + "a" * 16_000)
    check(beginning.replace("/*", "/"), "/a" + "a" * 16_000)
    check(
        "user-agent: *\n" + "".join(f"disallow: /*{number:014}\n" for number in range(1000)),
        "/" + "a" * 16_000,
    )


def test_our_name_is_the_first_word_of_the_user_agent() -> None:
    assert robots.token("imgfetch/0.1.0 (+https://h.example/)") == "imgfetch"
    assert robots.token("MyBot/2.0") == "mybot"
    assert robots.token("Mozilla/5.0 (X11; Linux x86_64)") == "imgfetch"
    assert robots.token("") == "imgfetch"


@pytest.mark.parametrize(
    ("reason", "status", "unavailable"),
    [
        (ErrorKind.HTTP_STATUS, 404, True),
        (ErrorKind.HTTP_STATUS, 401, True),
        (ErrorKind.HTTP_STATUS, 410, True),
        (ErrorKind.EMPTY, 204, True),
        (ErrorKind.TOO_MANY_REDIRECTS, 302, True),
        (ErrorKind.HTTP_STATUS, 500, False),
        (ErrorKind.RATE_LIMITED, 429, False),
        (ErrorKind.RATE_LIMITED, 503, False),
        (ErrorKind.TIMEOUT, None, False),
        (ErrorKind.BLOCKED, None, False),
        (ErrorKind.BAD_REDIRECT, 302, False),
    ],
)
def test_a_missing_robots_txt_allows_everything_and_an_unreachable_one_nothing(
    reason: ErrorKind, status: int | None, unavailable: bool
) -> None:
    assert robots.is_unavailable(Failure(reason, "", "", http_status=status)) == unavailable


def opt_out_in_head(*fields: tuple[str, str]) -> str | None:
    return opt_out.in_head(Head("https://h.example/a.webp", 200, fields), "imgfetch")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("noai", "X-Robots-Tag says noai"),
        ("NoAI, noimageai", "X-Robots-Tag says noai"),
        ("nofollow, NOIMAGEINDEX", "X-Robots-Tag says noimageindex"),
        ("none", "X-Robots-Tag says none"),
        ("imgfetch: noindex", "X-Robots-Tag says noindex"),
        ("ImgFetch : nofollow, noindex", "X-Robots-Tag says noindex"),
        ("*: noai", "X-Robots-Tag says noai"),
        ("googlebot: nofollow, imgfetch: noai", "X-Robots-Tag says noai"),
        ("max-snippet: 20, noai", "X-Robots-Tag says noai"),
        ("unavailable_after: 25 Jun 2010 15:00:00 PST, noindex", "X-Robots-Tag says noindex"),
        ("googlebot: noindex", None),
        ("googlebot: nofollow, noindex", None),
        ("imgfetch: nofollow, otherbot: noindex", None),
        ("all", None),
        ("nofollow, noarchive", None),
        ("max-image-preview: none", None),
        ("unavailable_after: none", None),
        ("noaim", None),
        (",:,,:", None),
        ("", None),
    ],
)
def test_reads_the_opt_outs_of_x_robots_tag(value: str, words: str | None) -> None:
    assert opt_out_in_head(("x-robots-tag", value)) == words
    assert opt_out_in_head(("x-robots-tag", "all"), ("x-robots-tag", value)) == words


def test_reads_a_tdm_reservation() -> None:
    assert opt_out_in_head(("tdm-reservation", " 1 ")) == "TDM-Reservation is 1"
    assert opt_out_in_head(("tdm-reservation", "0"), ("tdm-policy", "https://h.example/p.json")) is None


def test_reads_the_opt_outs_of_a_page() -> None:
    def opt_out_in(*metas: tuple[str, str]) -> str | None:
        return opt_out.in_page(metas, "imgfetch")

    assert opt_out_in(("Robots", "index, NoAI")) == "<meta name=robots> says noai"
    assert opt_out_in(("viewport", "noai"), ("imgfetch", "noindex")) == "<meta name=imgfetch> says noindex"
    assert opt_out_in(("tdm-reservation", "1")) == "<meta name=tdm-reservation> is 1"
    assert opt_out_in(("googlebot", "noindex"), ("robots", "all"), ("tdm-reservation", "0")) is None
