"""What origins ask of crawlers, and what they are told of us: robots.txt, opt-outs, Referer, User-Agent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from engine_world import H, World
from imgfetch import Client, Failure, Image, ImgfetchError, InputError, Limits
from imgfetch.engine.events import BytesReceived
from imgfetch.model.result import ErrorKind
from imgfetch.rules.crawl import robots
from origin import Origin, cut, endless, gzip, head, raw, redirect, reset, stall, status, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgfetch.engine.events import Event
    from origin import Answer

pytestmark = pytest.mark.anyio

WEBP = encoded("webp", 96, 54)
QUICK = Limits(retries=1, backoff_base=0.01, connect_timeout=2, read_timeout=0.4, total_timeout=3)
NOBODY = b"User-agent: *\nDisallow: /"
NOT_HERE = b"User-agent: *\nDisallow: /private/"


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as running:
        for path in ("/a.webp", "/b.webp", "/private/a.webp"):
            running.route(path, whole(WEBP))
        yield running


def crawler(cache: Path, **options: Any) -> Client:  # noqa: ANN401 (what a Client takes)
    return Client(cache, **{"limits": QUICK, "allow_hosts": ["127.0.0.1"], "robots": True, **options})


async def refused(client: Client, url: str, kind: str = "opted_out") -> ImgfetchError:
    with pytest.raises(ImgfetchError) as caught:
        await client.get(url)
    assert caught.value.kind == kind, caught.value
    return caught.value


# robots.txt


async def test_robots_txt_is_asked_for_once_for_all_images_of_an_origin(origin: Origin, cache: Path) -> None:
    origin.route("/robots.txt", whole(NOT_HERE))
    async with crawler(cache) as client:
        urls = [origin.url + path for path in ("/a.webp", "/b.webp", "/private/a.webp", "/private/b.webp")]
        outcomes = [outcome async for outcome in client.get_many(urls)]
        assert sorted(isinstance(outcome, Image) for outcome in outcomes) == [False, False, True, True]
        assert {outcome.kind for outcome in outcomes if isinstance(outcome, Failure)} == {"opted_out"}
        error = await refused(client, origin.url + "/private/c.webp")
        assert "robots.txt disallows imgfetch" in str(error)
        assert (error.retryable, error.attempts) == (False, 0)
    assert origin.asked("/robots.txt") == 1
    assert origin.asked("/private/a.webp") == 0
    first, *_ = origin.requests
    assert (first.path, first.headers["user-agent"]) == ("/robots.txt", client._settings.user_agent)


async def test_who_does_not_crawl_does_not_ask(origin: Origin, cache: Path) -> None:
    origin.route("/robots.txt", whole(NOBODY))
    async with crawler(cache, robots=False) as client:
        await client.get(origin.url + "/a.webp")
    assert origin.asked("/robots.txt") == 0


@pytest.mark.parametrize(
    "answer",
    [
        status(404),
        status(403),
        status(401),
        status(410),
        status(204),
        whole(b""),
        whole(b"<!doctype html><title>Not here</title>", content_type="text/html"),
        whole(bytes(range(256)) * 100),
        redirect("/robots.txt"),  # again and again
        gzip(NOT_HERE),
        whole(NOT_HERE + b"\n" + b"#" * 600_000 + b"\nDisallow: /"),
        endless(head() + NOT_HERE + b"\n", b"# and so on\n" * 1000),
    ],
)
async def test_where_there_is_none_or_it_says_nothing_of_it_an_image_is_had(
    origin: Origin, cache: Path, answer: Answer
) -> None:
    origin.route("/robots.txt", answer)
    async with crawler(cache) as client:
        assert (await client.get(origin.url + "/a.webp")).origin == "fetched"
    assert origin.asked("/robots.txt") <= robots.MOST_REDIRECTS + 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (status(500), "http_status"),
        (status(503), "rate_limited"),
        (status(429), "rate_limited"),
        (reset(), "reset"),
        (stall(), "timeout"),
        (cut(NOT_HERE, at=9), "incomplete"),
        (redirect("http://127.0.0.2/robots.txt"), "blocked"),
        (redirect("file:///etc/passwd"), "bad_redirect"),
        (whole(b"noise", content_encoding="gzip"), "bad_encoding"),
        (gzip(b"#" * 20_000_000), "too_large"),
    ],
)
async def test_where_it_cannot_be_had_nothing_else_is_asked_for(
    origin: Origin, cache: Path, answer: Answer, kind: str
) -> None:
    origin.route("/robots.txt", answer)
    async with crawler(cache) as client:
        error = await refused(client, origin.url + "/a.webp", kind)
        assert "no robots.txt, so nothing may be asked for: " in str(error)
        before = origin.asked()
        await refused(client, origin.url + "/b.webp", kind)
        assert origin.asked() == before <= 1 + QUICK.retries
    assert origin.asked("/a.webp") == origin.asked("/b.webp") == 0


async def test_it_may_be_elsewhere_and_a_redirect_leads_nowhere_that_is_closed(
    origin: Origin, cache: Path
) -> None:
    other = origin.door()
    origin.route("/robots.txt", redirect("/real.txt"))
    origin.route("/real.txt", whole(NOT_HERE))
    origin.route("/moved.webp", redirect(other + "/private/a.webp"))
    origin.route("/open.webp", redirect(other + "/a.webp"))
    async with crawler(cache) as client:
        error = await refused(client, origin.url + "/moved.webp")
        assert "redirected to" in str(error)
        assert (await client.get(origin.url + "/open.webp")).origin == "fetched"
    assert origin.asked("/private/a.webp") == 0
    assert origin.asked("/real.txt") == 2


async def test_what_is_meant_for_images_is_not_told_with_robots_txt(origin: Origin, cache: Path) -> None:
    async with crawler(cache, headers={"authorization": "secret"}) as client:
        await client.get(origin.url + "/a.webp")
    told = {request.path: request.headers.get("authorization") for request in origin.requests}
    assert told == {"/robots.txt": None, "/a.webp": "secret"}


async def test_it_is_found_by_the_name_of_the_user_agent(origin: Origin, cache: Path) -> None:
    origin.route("/robots.txt", whole(b"User-agent: MyBot\nDisallow: /"))
    async with crawler(cache, user_agent="MyBot/2.0") as client:
        await refused(client, origin.url + "/a.webp")
    async with crawler(cache) as client:
        await client.get(origin.url + "/a.webp")


async def test_it_holds_for_a_day_and_its_absence_for_ten_minutes() -> None:
    world = World(robots="imgfetch")
    world.transport.answer(H + "/a", (404, b""))
    world.transport.answer(H + "/robots.txt", (500, b""), (500, b""), (500, b""), (200, b""))
    failed = await world.failed("/a")
    assert (failed.kind, failed.retryable, failed.attempts) == (ErrorKind.HTTP_STATUS, True, 0)
    world.clock.time += 590
    await world.failed("/a")
    assert world.urls() == ["/robots.txt"] * 3
    world.clock.time += 20
    for hours in (0, 23, 2):
        world.clock.time += hours * 3600
        assert (await world.failed("/a")).http_status == 404
    assert world.urls()[3:] == ["/robots.txt", "/a", "/a", "/robots.txt", "/a"]


async def test_images_that_come_together_share_one_question() -> None:
    world = World(robots="imgfetch")
    world.transport.answer(H + "/robots.txt", (200, NOBODY))
    outcomes = await asyncio.gather(*(world.failed(f"/{number}") for number in range(20)))
    assert {failed.kind for failed in outcomes} == {ErrorKind.OPTED_OUT}
    assert world.urls() == ["/robots.txt"]


async def test_of_many_origins_those_asked_last_are_remembered() -> None:
    world = World(robots="imgfetch")
    rules = b"User-agent: *\n" + b"".join(b"Disallow: /%d\n" % number for number in range(30_000))
    hosts = [f"http://h{number}.example" for number in range(5)]
    for host in hosts:
        world.transport.answer(host + "/robots.txt", (200, rules))
        await world.failed(host + "/1")
    assert len(world.transport.requests) == 5
    for host in reversed(hosts[2:]):
        await world.failed(host + "/2")
    assert len(world.transport.requests) == 5
    await world.failed(hosts[0] + "/2")
    assert len(world.transport.requests) == 6


# What a response, and a page, says


@pytest.mark.parametrize(
    "fields",
    [
        {"x_robots_tag": "noai"},
        {"x_robots_tag": "imgfetch: noindex"},
        {"x_robots_tag": "noimageindex, nofollow"},
        {"tdm_reservation": "1"},
    ],
)
async def test_an_image_whose_owner_is_against_it_is_not_read(
    origin: Origin, cache: Path, fields: dict[str, Any]
) -> None:
    events: list[Event] = []
    origin.route("/no.webp", endless(head(**fields), b"x" * 1000))
    async with crawler(cache, observe=events.append) as client:
        error = await refused(client, origin.url + "/no.webp")
        assert ("X-Robots-Tag says no" in str(error)) is ("x_robots_tag" in fields)
        assert "robots=False" in str(error)
    assert not [event for event in events if isinstance(event, BytesReceived)]
    assert origin.asked("/no.webp") == 1
    assert not (cache / "objects-v1").exists()


async def test_what_is_said_to_others_is_not_said_to_us(origin: Origin, cache: Path) -> None:
    origin.route("/ok.webp", whole(WEBP, x_robots_tag="otherbot: noai", tdm_reservation="0"))
    async with crawler(cache) as client:
        assert (await client.get(origin.url + "/ok.webp")).origin == "fetched"


async def test_no_other_rendition_of_such_an_image_is_tried(origin: Origin, cache: Path) -> None:
    origin.route("/no.webp", whole(WEBP, x_robots_tag="noai"))
    srcset = f"{origin.url}/no.webp 96w, {origin.url}/a.webp 200w"
    async with crawler(cache) as client:
        with pytest.raises(ImgfetchError, match="noai"):
            await client.get(srcset, width=90)
    assert origin.asked("/a.webp") == 0


async def test_what_was_kept_when_nobody_looked_is_asked_about_anew(origin: Origin, cache: Path) -> None:
    against, not_any_more = whole(WEBP, x_robots_tag="noai"), whole(WEBP)
    url = origin.route("/no.webp", against, against, not_any_more)
    async with crawler(cache, robots=False) as client:
        await client.get(url)
        assert (await client.get(url)).origin == "cached"
    async with crawler(cache, offline=True) as client:
        await refused(client, url, "offline")
    async with crawler(cache) as client:
        await refused(client, url)
        assert (await client.get(url)).origin == "fetched"


async def test_a_304_may_say_so_too(origin: Origin, cache: Path) -> None:
    url = origin.route("/a", whole(WEBP, etag='"1"'), raw(head(304, x_robots_tag="noai"), more=True))
    async with crawler(cache) as client:
        await client.get(url)
    async with crawler(cache, refresh=True) as client:
        await refused(client, url)


@pytest.mark.parametrize(
    "answer",
    [
        whole(b"<meta name=robots content='noimageai'><img src=/a.webp>", content_type="text/html"),
        whole(b"<META NAME=TDM-Reservation CONTENT=1><img src=/a.webp>", content_type="text/html"),
        whole(b"<img src=/a.webp>", content_type="text/html", x_robots_tag="noai"),
    ],
)
async def test_a_page_speaks_for_its_images(origin: Origin, cache: Path, answer: Answer) -> None:
    url = origin.route("/page", answer)
    async with crawler(cache) as client:
        await refused(client, url)
        assert origin.asked("/a.webp") == 0
    async with crawler(cache, robots=False) as client:
        assert (await client.get(url)).url == origin.url + "/a.webp"


# What an origin is told


async def test_an_image_of_a_page_is_asked_for_on_its_behalf(origin: Origin, cache: Path) -> None:
    other = origin.door()
    page = f"<img src=/a.webp><img src={other}/b.webp>".encode()
    url = origin.route("/page?id=7", whole(page, content_type="text/html"))

    async def told(**options: Any) -> dict[str, str | None]:  # noqa: ANN401
        origin.requests.clear()
        async with crawler(cache, robots=False, refresh=True, **options) as client:
            async for outcome in client.get_many([url]):
                assert isinstance(outcome, Image), outcome
        return {request.path: request.headers.get("referer") for request in origin.requests}

    home = origin.url + "/"
    assert await told() == {"/page?id=7": None, "/a.webp": home, "/b.webp": home}
    assert await told(referrer_policy="no-referrer") == {"/page?id=7": None, "/a.webp": None, "/b.webp": None}
    browser = await told(referrer_policy="strict-origin-when-cross-origin")
    assert browser == {"/page?id=7": None, "/a.webp": url, "/b.webp": home}
    shop = await told(referer="http://shop.example/list#top", referrer_policy="unsafe-url")
    assert set(shop.values()) == {"http://shop.example/list"}
    own = await told(headers={"Referer": "http://mine.example/"})
    assert own["/a.webp"] == "http://mine.example/"


async def test_the_base_of_a_text_is_its_page_and_a_bare_url_has_none(origin: Origin, cache: Path) -> None:
    async with crawler(cache, robots=False) as client:
        await client.get("a.webp 96w, b.webp 200w", base_url=origin.url + "/dir/../story", width=90)
        await client.get(origin.url + "/b.webp")
    assert [request.headers.get("referer") for request in origin.requests] == [origin.url + "/", None]


async def test_what_depends_on_the_page_is_kept_for_each(origin: Origin, cache: Path) -> None:
    origin.route(
        "/a.webp", whole(WEBP, vary="Referer"), whole(encoded("webp", 96, 54, seed=7), vary="Referer")
    )
    options = {"robots": False, "referrer_policy": "unsafe-url"}
    digests = []
    for page in ("http://x.example/1", "http://x.example/2", "http://x.example/1", "http://x.example/2"):
        async with crawler(cache, referer=page, **options) as client:
            digests.append((await client.get(origin.url + "/a.webp")).sha256)
    assert digests[0] == digests[2] != digests[1] == digests[3]
    assert origin.asked("/a.webp") == 2


async def test_a_contact_is_told_to_everybody(origin: Origin, cache: Path) -> None:
    async with crawler(cache, contact="mailto:me@h.example", user_agent="MyBot/1") as client:
        await client.get(origin.url + "/a.webp")
    assert {request.headers["user-agent"] for request in origin.requests} == {
        "MyBot/1 (+mailto:me@h.example)"
    }


def test_what_is_no_contact_no_page_and_no_policy_is_said(cache: Path) -> None:
    for contact in ("", "me", "https://h.example/a b", "https://h.example/)", "a\r\nb@c", "ftp://h.example"):
        with pytest.raises(InputError, match="neither a URL nor a mail address"):
            Client(cache, contact=contact)
    with pytest.raises(InputError, match="not a URL"):
        Client(cache, referer="the page")
    with pytest.raises(InputError, match="is not one of no-referrer"):
        Client(cache, referrer_policy="always")
