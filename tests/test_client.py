"""The library against a real origin on loopback that serves, cuts, stalls, lies and redirects."""

from __future__ import annotations

import asyncio
import hashlib
import pickle
import tracemalloc
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import imgfetch
from imgfetch import Client, Failure, Image, ImgfetchError, Limits
from imgfetch.api.jobs import jobs, jobs_of_page
from imgfetch.engine.events import BytesReceived, Event
from imgfetch.model.markup import Choice
from imgfetch.model.request import Head
from imgfetch.model.result import ErrorKind, Page
from imgfetch.store.disk_store import DiskStore
from origin import (
    Answer,
    Origin,
    chunked,
    cut,
    drip,
    gzip,
    head,
    raw,
    redirect,
    reset,
    slowly,
    stall,
    status,
    until_close,
    whole,
)
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

pytestmark = pytest.mark.anyio

WEBP = encoded("webp", 96, 54)
PNG = encoded("png", 20, 20)
FLIPPED = PNG[:-30] + bytes([PNG[-30] ^ 1]) + PNG[-29:]
QUICK = Limits(
    retries=2, backoff_base=0.01, connect_timeout=2, read_timeout=0.4, total_timeout=3, max_bytes=200_000
)


@pytest.fixture
async def client(cache: Path) -> AsyncIterator[Client]:
    async with Client(cache, limits=QUICK, allow_hosts=["127.0.0.1"]) as running:
        yield running


def visible(cache: Path) -> list[Path]:
    """What a user could take for an image."""
    return [path for path in (cache / "objects-v1").rglob("*") if path.is_file()]


def scratch(cache: Path) -> list[Path]:
    return list((cache / "scratch-v1").glob("*"))


# What arrives whole


@pytest.mark.parametrize(
    "answer",
    [
        whole(WEBP, content_type="image/webp"),
        whole(WEBP, content_type="text/html"),
        whole(WEBP),
        whole(WEBP, vary="*", cache_control="no-store", set_cookie="a=b"),
        chunked(WEBP),
        until_close(WEBP),
        gzip(WEBP),
        slowly(WEBP, pause=0.2),
        raw(b"HTTP/1.0 200 OK\r\n\r\n" + WEBP),
        raw(head(103, link="</x.css>; rel=preload") + head(content_length=len(WEBP)) + WEBP),
        raw(
            b"hTTp/1.1 200 OK\r\n".replace(b"hTTp", b"HTTP")
            + b"cOnTeNt-LeNgTh: %d\r\n\r\n" % len(WEBP)
            + WEBP
        ),
    ],
)
async def test_an_image_arrives_whole_however_it_is_framed(
    origin: Origin, client: Client, cache: Path, answer: Answer
) -> None:
    image = await client.get(origin.route("/a.webp", answer))
    assert image.path.read_bytes() == WEBP
    assert hashlib.sha256(WEBP).hexdigest() == image.sha256 == image.path.stem
    assert (image.format, image.width, image.height, image.origin) == ("webp", 96, 54, "fetched")
    assert image.path == cache / "objects-v1" / image.sha256[:2] / f"{image.sha256}.webp"
    assert "decode" in image.verified
    assert scratch(cache) == []
    with image.open() as picture:
        assert picture.size == (96, 54)


@pytest.mark.parametrize(
    ("troubles", "requests"),
    [
        ([reset()], 2),
        ([cut(WEBP, at=len(WEBP) // 2)], 2),
        ([chunked(WEBP[:-1], last=False)], 2),
        ([status(503)], 2),
        ([status(429, retry_after=1)], 2),
        ([status(502, connection="close"), reset()], 3),
        ([stall(head(content_length=len(WEBP)) + WEBP[:40], seconds=5)], 2),
        ([until_close(WEBP[:-1])], 2),
        ([whole(FLIPPED)], 2),
        ([gzip(WEBP, cut=-5)], 2),
    ],
)
async def test_a_passing_trouble_is_outlived(
    origin: Origin, client: Client, cache: Path, troubles: list[Answer], requests: int
) -> None:
    image = await client.get(origin.route("/a.webp", *troubles, whole(WEBP)))
    assert image.path.read_bytes() == WEBP
    assert (image.attempts, origin.asked()) == (requests, requests)
    assert len(visible(cache)) == 1
    assert scratch(cache) == []


async def test_a_connection_that_ends_while_it_is_idle_costs_no_attempt(
    origin: Origin, client: Client
) -> None:
    image = await client.get(origin.route("/a.webp", status(502), reset(), whole(WEBP)))
    assert (image.attempts, origin.asked()) == (2, 3)


async def test_redirects_are_followed(origin: Origin, client: Client) -> None:
    origin.route("/c.webp", whole(WEBP))
    origin.route("/b", redirect("/c.webp"))
    image = await client.get(origin.route("/a", redirect("/b", 301)))
    assert image.entry.head.url == origin.url + "/c.webp"
    assert origin.asked() == 3


# What cannot be had


@pytest.mark.parametrize(
    ("answer", "kind", "words", "requests"),
    [
        (status(404), "http_status", "HTTP 404", 1),
        (whole(WEBP, 410), "http_status", "HTTP 410", 1),
        (status(500), "http_status", "HTTP 500", 3),
        (status(503, retry_after=86400), "rate_limited", "Retry-After of 86400 s", 1),
        (whole(b"", 204), "empty", "HTTP 204", 1),
        (whole(b""), "empty", "", 1),
        (whole(b"<!doctype html><p>gone", content_type="image/jpeg"), "not_image", "HTML", 1),
        (whole(b'{"error": 1}'), "not_image", "JSON", 1),
        (whole(b"<svg width='3'/>"), "unsupported_format", "SVG", 1),
        (cut(WEBP, at=100), "incomplete", f"got 100 of {len(WEBP):,} bytes", 3),
        (chunked(WEBP[:-50]), "truncated", "", 2),
        (reset(), "reset", "", 3),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "protocol", "", 3),
        (stall(seconds=9), "timeout", "no response within 0.4 s", 3),
        (stall(head(content_length=9999) + WEBP, seconds=9), "timeout", "then silence", 3),
        (drip(WEBP, pause=0.3), "timeout", "within the time limit of 3 s", 1),
        (whole(b"x" * 300_000), "too_large", "300,000 bytes, the limit is 200,000", 1),
        (until_close(b"x" * 300_000), "too_large", "more than 200,000 bytes", 1),
        (gzip(b"\0" * 5_000_000), "too_large", "more than 200,000 bytes", 1),
        (whole(WEBP, content_encoding="br"), "bad_encoding", "'br'", 1),
        (redirect("/a"), "too_many_redirects", "more than 10", 11),
        (redirect("file:///etc/passwd"), "bad_redirect", "file:", 1),
        (whole(b"", 302), "bad_redirect", "without a Location", 1),
        (redirect("http://127.0.0.2/"), "blocked", "127.0.0.2 is an internal address", 1),
        (whole(b"", 304), "protocol", "HTTP 304", 1),
        (whole(WEBP[:99], 206, content_range=f"bytes 0-98/{len(WEBP)}"), "protocol", "HTTP 206", 1),
    ],
)
async def test_what_cannot_be_had_is_one_typed_error_and_leaves_nothing(
    origin: Origin, client: Client, cache: Path, answer: Answer, kind: str, words: str, requests: int
) -> None:
    url = origin.route("/a", answer)
    with pytest.raises(ImgfetchError) as caught:
        await client.get(url)
    error = caught.value
    assert (error.kind, error.url) == (kind, url)
    assert words in error.message
    assert origin.asked() == requests
    assert str(error).isprintable()
    assert len(str(error)) <= 300
    assert visible(cache) == scratch(cache) == []


async def test_nobody_there_is_a_connect_error(client: Client) -> None:
    with Origin() as gone:
        url = gone.url
    with pytest.raises(imgfetch.NetworkError, match="cannot connect"):
        await client.get(url + "/a")


async def test_a_name_that_does_not_resolve_is_a_dns_error(client: Client) -> None:
    with pytest.raises(imgfetch.NetworkError, match="cannot find the host nowhere.invalid") as caught:
        await client.get("http://nowhere.invalid/a.webp")
    assert caught.value.kind is ErrorKind.DNS


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_an_internal_address_is_not_contacted_unless_it_is_allowed(
    cache: Path, origin: Origin, host: str
) -> None:
    async with Client(cache, limits=QUICK) as guarded:
        with pytest.raises(imgfetch.PolicyError, match="internal address") as caught:
            await guarded.get(f"http://{host}:{origin.port}/a")
    assert caught.value.kind is ErrorKind.BLOCKED
    assert origin.asked() == 0
    assert not cache.exists()


async def test_the_callers_headers_go_to_the_origin_it_named_and_to_no_other(
    cache: Path, origin: Origin
) -> None:
    with Origin() as other:
        origin.route("/a", redirect(other.route("/b", whole(WEBP))))
        options = {"X-Api-Key": "secret", "Authorization": "Bearer secret", "Cookie": "s=secret"}
        async with Client(cache, limits=QUICK, allow_hosts=["127.0.0.1"], headers=options) as client:
            await client.get(origin.url + "/a")
        assert origin.requests[0].headers["x-api-key"] == "secret"
        assert "secret" not in str(other.requests)


# Candidates, sources, many


async def test_a_dead_candidate_is_passed_over_and_the_result_says_so(origin: Origin, client: Client) -> None:
    origin.route("/960.webp", whole(WEBP))
    srcset = f"{origin.url}/480.webp 480w, {origin.url}/960.webp 960w"
    image = await client.get(srcset, width=400)
    assert (image.choice.url, image.url) == (origin.url + "/480.webp", origin.url + "/960.webp")
    assert image.warnings == (
        f"passed over {origin.url}/480.webp: HTTP 404",
        "width_mismatch: promised 960, real 96",
    )


async def test_a_second_get_makes_no_request(origin: Origin, client: Client) -> None:
    url = origin.route("/a", whole(WEBP))
    first, second = await client.get(url), await client.get(url)
    assert (first.origin, second.origin, origin.asked()) == ("fetched", "cached", 1)
    assert first.path == second.path


async def test_a_list_comes_to_the_same_as_its_items_one_by_one(origin: Origin, client: Client) -> None:
    held = [origin.route(f"/{number}", whole(encoded("png", 9 + number, 9))) for number in range(12)]
    assert len([outcome async for outcome in client.get_many(held)]) == 12
    sources = [*held, "no such file", f"{origin.url}/gone", *held[:9]]
    drawn = 0

    def one_by_one() -> Iterator[str]:
        nonlocal drawn
        for source in sources:
            drawn += 1
            yield source

    async for outcome in client.get_many(one_by_one()):
        assert drawn == outcome.index + 1
        break
    together = {outcome.index: outcome async for outcome in client.get_many(sources)}
    assert together == {outcome.index: outcome async for outcome in client.get_many(iter(sources))}
    assert sorted(together) == [*range(23)]
    assert origin.asked("/0") == 1


async def test_an_image_that_a_list_names_hundreds_of_times_is_asked_for_once(
    origin: Origin, client: Client
) -> None:
    urls = [origin.route(path, whole(WEBP)) for path in ("/a", "/b")]
    for drawn in (urls[:1] * 400, iter(urls[1:] * 400)):
        outcomes = [outcome async for outcome in client.get_many(drawn)]
        assert sorted(outcome.index for outcome in outcomes) == [*range(400)]
        assert {type(outcome) for outcome in outcomes} == {Image}
    assert (origin.asked("/a"), origin.asked("/b")) == (1, 1)


@pytest.mark.parametrize("kind", ["URLs", "source sets", "a page"])
async def test_a_list_of_images_that_are_not_there_is_looked_up_many_at_a_time(
    origin: Origin, client: Client, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: Counter[str] = Counter()

    def counted(name: str) -> Callable[..., Any]:
        method = getattr(DiskStore, name)

        def look(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401 (whatever it takes)
            looks[name] += 1
            return method(*arguments, **more)

        return look

    for name in ("lookup", "find"):
        monkeypatch.setattr(DiskStore, name, counted(name))
    urls = [origin.route(f"/{number}", whole(encoded("png", 9 + number, 9))) for number in range(100)]
    page = "".join(f"<img src='{url}'>" for url in urls)
    sources = {
        "URLs": urls,
        "source sets": [f"{url} 480w, {url}?2 240w" for url in urls],
        "a page": [origin.route("/page", whole(page.encode(), content_type="text/html"))],
    }[kind]
    outcomes = [outcome async for outcome in client.get_many(sources)]
    assert [type(outcome) for outcome in outcomes] == [Image] * 100
    assert looks["lookup"] <= 4 + 100  # each is looked up once more under its lease
    assert looks["find"] <= 1
    assert origin.asked() == 100 + (kind == "a page")


async def test_the_same_bytes_under_many_urls_are_one_file(
    origin: Origin, client: Client, cache: Path
) -> None:
    images = [await client.get(origin.route(f"/{number}", whole(WEBP))) for number in range(3)]
    assert len({image.path for image in images}) == len(visible(cache)) == 1


async def test_a_file_damaged_under_the_cache_is_fetched_again(origin: Origin, client: Client) -> None:
    url = origin.route("/a", whole(WEBP))
    image = await client.get(url)
    image.path.write_bytes(WEBP[:-1] + b"\xff")
    again = await client.get(url)
    assert (again.origin, again.path.read_bytes()) == ("fetched", WEBP)


async def test_twenty_who_ask_at_once_make_one_request(origin: Origin, client: Client) -> None:
    url = origin.route("/a", slowly(WEBP, pause=0.1))
    images = await asyncio.gather(*(client.get(url) for _ in range(20)))
    assert {image.sha256 for image in images} == {hashlib.sha256(WEBP).hexdigest()}
    assert origin.asked() == 1


async def test_sixty_urls_of_one_host_are_asked_for_six_at_a_time(origin: Origin, client: Client) -> None:
    urls = [origin.route(f"/{number}", slowly(WEBP, pause=0.01)) for number in range(60)]
    outcomes = [outcome async for outcome in client.get_many(urls)]
    assert all(isinstance(outcome, Image) for outcome in outcomes)
    assert origin.asked() == 60
    assert 2 <= origin.most_at_once <= 6


async def test_many_sources_give_one_outcome_each_and_a_bad_one_stops_none(
    origin: Origin, client: Client, tmp_path: Path
) -> None:
    text = tmp_path / "news.txt"
    text.write_text(f"two: {origin.route('/a', whole(WEBP))} 96w and {origin.route('/b', whole(WEBP))} 96w\n")
    sources: list[str | Path] = [text, "no-such-file.txt", origin.route("/c", status(404)), origin.url + "/a"]
    outcomes = [outcome async for outcome in client.get_many(sources)]
    assert sorted((outcome.index, isinstance(outcome, Failure)) for outcome in outcomes) == [
        (0, False), (0, False), (1, True), (2, True), (3, False),
    ]  # fmt: skip
    kinds = {outcome.index: outcome.kind for outcome in outcomes if isinstance(outcome, Failure)}
    assert kinds == {1: ErrorKind.BAD_URL, 2: ErrorKind.HTTP_STATUS}


async def test_sources_may_come_asynchronously(origin: Origin, client: Client) -> None:
    async def sources() -> AsyncIterator[str]:
        for number in range(5):
            await asyncio.sleep(0)
            yield origin.route(f"/{number}", whole(WEBP))

    assert len([outcome async for outcome in client.get_many(sources())]) == 5


async def test_any_httpx_transport_can_take_the_networks_place(cache: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(WEBP))

    async with Client(cache, transport=httpx.MockTransport(answer)) as client:
        assert (await client.get("https://h.example/a.webp")).width == 96


async def test_a_transport_may_answer_with_a_body_that_is_there_at_once(cache: Path) -> None:
    large = encoded("png", 300, 200)
    pieces: list[int] = []

    def observe(event: Event) -> None:
        pieces.extend([event.bytes] if isinstance(event, BytesReceived) else ())

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=large))
    async with Client(cache, transport=transport, observe=observe) as client:
        assert (await client.get("https://h.example/a.png")).path.read_bytes() == large
    assert sum(pieces) == len(large) > max(pieces) == 64 * 1024


async def test_offline_serves_what_is_held_and_asks_nobody(
    origin: Origin, client: Client, cache: Path
) -> None:
    url = origin.route("/a", whole(WEBP))
    await client.get(url)
    async with Client(cache, offline=True) as offline:
        assert (await offline.get(url)).origin == "cached"
        with pytest.raises(imgfetch.PolicyError, match="offline"):
            await offline.get(origin.url + "/b")
    assert origin.asked() == 1


async def test_a_refresh_asks_whether_it_has_changed(origin: Origin, client: Client, cache: Path) -> None:
    url = origin.route("/a", whole(WEBP, etag='"1"'), raw(head(304), more=True), whole(WEBP[:-1]))
    await client.get(url)
    async with Client(cache, limits=QUICK, refresh=True, allow_hosts=["127.0.0.1"]) as fresh:
        assert (await fresh.get(url)).origin == "revalidated"
    assert origin.requests[1].headers["if-none-match"] == '"1"'


async def test_a_url_may_be_that_of_a_page(origin: Origin, client: Client) -> None:
    for name in ("a", "b"):
        origin.route(f"/img/{name}.webp", whole(WEBP))
    page = b"<base href='/img/'><p><img src=a.webp><img srcset='b.webp 96w' sizes=10px><img src=gone.webp>"
    origin.route("/story", whole(page, content_type="text/html; charset=utf-8"))
    url = origin.route("/old", redirect("/story"))
    outcomes = [outcome async for outcome in client.get_many([url])]
    assert sorted(outcome.url for outcome in outcomes) == [
        f"{origin.url}/img/{name}.webp" for name in ("a", "b", "gone")
    ]
    assert [outcome.url for outcome in outcomes if isinstance(outcome, Failure)] == [
        origin.url + "/img/gone.webp"
    ]
    assert {outcome.source for outcome in outcomes} == {url}
    assert origin.asked("/story") == 1
    assert (await client.get(url)).url == origin.url + "/img/a.webp"
    before = origin.asked("/img/gone.webp")
    await client.get(url)
    assert origin.asked("/img/gone.webp") == before


class Noting(ThreadPoolExecutor):
    """An executor that notes how often it was asked for a thread."""

    asked = 0

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 (whatever it is asked)
        self.asked += 1
        return super().submit(*args, **kwargs)


@pytest.mark.parametrize(("size", "threads"), [(1_000, 0), (300_000, 1)])
async def test_the_event_loop_goes_on_while_a_large_page_is_read(
    size: int, threads: int, origin: Origin, cache: Path
) -> None:
    origin.route("/a", whole(WEBP, cache_control="max-age=60"))
    page = "".join(f"<img src=/a#{number}>" for number in range(20)).encode().ljust(size)
    url = origin.route("/page", whole(page, content_type="text/html"))
    executor = Noting()
    asyncio.get_running_loop().set_default_executor(executor)
    async with Client(cache, allow_hosts=["127.0.0.1"]) as client:
        await client.get(origin.url + "/a")
        executor.asked = 0  # once for the address
        looked = await client.scheduler.probe_page(next(jobs([url])))
        assert [job.position for job in looked] == [*range(20)]
        assert executor.asked == threads
        outcomes = [outcome async for outcome in client.get_many([url])]
        assert [outcome.position for outcome in outcomes] == [*range(20)]
        assert (await client.get(url)).position == 0
        assert executor.asked == 3 * threads


async def test_of_a_page_with_too_many_images_the_rest_is_one_failure(origin: Origin, cache: Path) -> None:
    origin.route("/a", whole(WEBP, cache_control="max-age=60"))
    page = "".join(f"<img src=/a#{number}>" for number in range(9)).encode()
    url = origin.route("/page", whole(page, content_type="text/html"))
    for most, count in ((9, 9), (8, 9), (3, 4)):
        limits = Limits(max_images=most)
        async with Client(cache, allow_hosts=["127.0.0.1"], limits=limits) as client:
            *taken, last = [outcome async for outcome in client.get_many([url])]
            assert len([*taken, last]) == count
            assert all(isinstance(image, Image) for image in taken)
            if most == 9:
                assert isinstance(last, Image)
            else:
                assert isinstance(last, Failure)
                assert (last.kind, last.position, last.retryable) == ("too_many_images", most, False)
                assert last.message == f"more than {most} images in a page; the rest of them is left out"
            # what the caller has at hand is not counted
            files = [outcome async for outcome in client.get_many([page.decode()], base_url=url)]
            assert len([image for image in files if isinstance(image, Image)]) == 9
            assert (await client.get(url)).position == 0


MILLION = "<img data-src={width} data-widths='" + ",".join(map(str, range(1, 101))) + "'>"
"""Of 330 bytes, and with --all a hundred images."""


def test_nothing_is_made_of_an_image_before_its_turn() -> None:
    text = "<html>" + MILLION * 1_000
    head = Head("https://h.example/", 200)
    page = Page(head, text.encode(), Failure(ErrorKind.NOT_IMAGE, "", ""))
    (job,) = jobs(["https://h.example/"], every=True)
    for found, most in (
        (jobs_of_page(job, page, most=10_000), 12_000_000),
        (jobs([text], every=True, base_url="https://h.example/"), 12_000_000),
    ):
        tracemalloc.start()
        try:
            drawn = sum(1 for _ in islice(found, 20_000))
            assert drawn in (10_001, 20_000)
            assert tracemalloc.get_traced_memory()[1] < most
        finally:
            tracemalloc.stop()


async def test_what_the_link_fields_of_a_page_offer_comes_first(origin: Origin, client: Client) -> None:
    hero = '</i/480.webp>; rel=preload; as=image; imagesrcset="/i/960.webp 960w"'
    link = f"{hero}, </s.css>; rel=preload; as=style"
    page = whole(b"<base href=/b/><img src=a.webp>", content_type="text/html", link=link)
    url = origin.route("/story", page)
    outcomes = [outcome async for outcome in client.get_many([url])]
    assert {outcome.url for outcome in outcomes} == {
        origin.url + "/i/960.webp",
        origin.url + "/b/a.webp",
    }


async def test_a_page_without_images_and_a_page_in_an_images_place_are_failures(
    origin: Origin, client: Client
) -> None:
    for path in ("/empty", "/empty?2"):
        origin.route(path, whole(b"<p>nothing here", content_type="text/html"))
    with pytest.raises(imgfetch.ContentError, match="the body is HTML"):
        await client.get(origin.url + "/empty")
    with pytest.raises(imgfetch.ContentError, match="the body is HTML"):
        await client.get(f"{origin.url}/empty 480w, {origin.url}/empty?2 960w")


# From scripts


def test_fetch_blocks_until_the_file_is_there(origin: Origin, cache: Path) -> None:
    url = origin.route("/a", whole(WEBP))
    image = imgfetch.fetch(url, cache=cache, allow_hosts=["127.0.0.1"])
    assert image.path.read_bytes() == WEBP
    assert imgfetch.fetch(url, cache=cache).origin == "cached"
    assert imgfetch.fetch(url, cache=cache, sha256=image.sha256.upper()).origin == "cached"


def test_words_that_mean_nothing_are_named() -> None:
    for mistaken in ({"policy": "best"}, {"width": 0}, {"formats": ["psd"]}):
        with pytest.raises(imgfetch.InputError):
            imgfetch.choose(imgfetch.SourceSet(imgfetch.parse_srcset("a.webp 480w")), **mistaken)
    with pytest.raises(imgfetch.InputError, match="'most' is not one of none, structure, full"):
        Client(verify="most")
    with pytest.raises(imgfetch.InputError, match="a bytes: no str, Path, SourceSet"):
        imgfetch.fetch(b"https://h.example/a.webp")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bogus"):
        imgfetch.fetch("https://h.example/a.webp", bogus=1)
    for taking in (Client, imgfetch.Cache, imgfetch.CachingTransport):
        with pytest.raises(TypeError, match=r"key_ignore takes several .*: \['utm_\*'\]"):
            taking(key_ignore="utm_*")
    for contacting in (Client, imgfetch.GuardedTransport):
        with pytest.raises(TypeError, match=r"allow_hosts takes several .*: \['10.0.0.0/8'\]"):
            contacting(allow_hosts="10.0.0.0/8")
    nonsense: tuple[dict[str, Any], ...] = (
        {"jobs": 0},
        {"per_host": -1},
        {"total_timeout": float("inf")},
        {"jobs": 2.5},
        {"max_redirects": "10"},
    )
    for limits in nonsense:
        with pytest.raises(imgfetch.InputError, match="is not a limit"):
            Client(limits=Limits(**limits))
    with pytest.raises(imgfetch.InputError, match="allow_hosts: a transport connects by itself"):
        Client(allow_hosts=["10.0.0.0/8"], transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    with pytest.raises(imgfetch.InputError, match="'800' is not a width"):
        imgfetch.fetch("https://h.example/a.webp", width="800")  # type: ignore[arg-type]
    with pytest.raises(imgfetch.InputError, match="PosixPath: not bytes"):
        imgfetch.check_image(Path("a.webp"))  # type: ignore[arg-type]
    with pytest.raises(imgfetch.InputError, match="a list: not a SourceSet"):
        imgfetch.choose([])  # type: ignore[arg-type]
    of_client: dict[str, Any] = {"delay": "1s", "check_age": "7d", "max_cache": "1G", "max_age": True}
    for name, value in of_client.items():
        with pytest.raises(imgfetch.InputError, match=f"{name}.*is not an? "):
            Client(**{name: value})
    of_fetch: dict[str, Any] = {"min_width": True, "min_height": -1, "min_bytes": "1k", "require_width": "9"}
    for name, value in of_fetch.items():
        with pytest.raises(imgfetch.InputError, match=f"{name} is {value!r}; give a whole number"):
            imgfetch.fetch("https://h.example/a.webp", **{name: value})


async def test_a_keyword_that_means_nothing_is_named(client: Client) -> None:
    with pytest.raises(TypeError, match="no such keyword: wdith"):
        await client.get("https://h.example/a.webp", wdith=800)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="goes in a list"):
        await anext(client.get_many("https://h.example/a.webp"))


async def test_nothing_is_asked_after_the_client_is_closed(origin: Origin, cache: Path) -> None:
    urls = [origin.route(f"/{number}", slowly(WEBP, pause=0.02)) for number in range(60)]
    async with Client(cache, limits=QUICK, allow_hosts=["127.0.0.1"]) as client:
        outcomes = client.get_many(urls)
        await anext(outcomes)
    asked = origin.asked()
    with pytest.raises((RuntimeError, asyncio.CancelledError)):
        [outcome async for outcome in outcomes]
    assert origin.asked() == asked
    with pytest.raises(RuntimeError, match="this Client is closed"):
        await client.get(origin.route("/x", whole(WEBP)))


@pytest.mark.parametrize(("path", "requests"), [("/a", 2), ("/robots.txt", 1)])
async def test_who_waits_for_an_image_or_a_page_hears_that_the_client_is_closed(
    path: str, requests: int, origin: Origin, cache: Path
) -> None:
    origin.route(path, stall())
    url = origin.url + "/a"
    job = next(jobs([url]))
    robots = path == "/robots.txt"
    async with Client(cache, limits=QUICK, allow_hosts=["127.0.0.1"], robots=robots) as client:
        waiting = [
            asyncio.ensure_future(client.get(url)),
            asyncio.ensure_future(client.scheduler.probe_page(job)),
        ]
        while origin.asked() < requests:
            await asyncio.sleep(0.01)
    for task in waiting:
        with pytest.raises(asyncio.CancelledError):
            await task


def test_outcomes_can_be_pickled(origin: Origin, cache: Path) -> None:
    image = imgfetch.fetch(origin.route("/a", whole(WEBP)), cache=cache, allow_hosts=["127.0.0.1"])
    assert pickle.loads(pickle.dumps(image)) == image
    with pytest.raises(ImgfetchError) as caught:
        imgfetch.fetch(origin.route("/b", status(404)), cache=cache, allow_hosts=["127.0.0.1"])
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


async def test_a_digest_binds_a_url_to_a_file_even_where_a_page_of_images_comes(
    origin: Origin, client: Client
) -> None:
    origin.route("/a.webp", whole(WEBP))
    page = origin.route("/page", whole(b"<!doctype html><img src=a.webp>", content_type="text/html"))
    assert (await client.get(page)).path.read_bytes() == WEBP
    with pytest.raises(ImgfetchError) as caught:
        await client.get(page, sha256="ab" * 32)
    assert caught.value.kind is ErrorKind.NOT_IMAGE


async def test_a_failure_has_all_it_takes_to_ask_again_and_does_not_show_it(
    origin: Origin, client: Client
) -> None:
    url = origin.route("/a?sig=SECRET", status(404), whole(WEBP))
    (failed,) = [outcome async for outcome in client.get_many([url], width=9)]
    assert isinstance(failed, Failure)
    assert (failed.given, failed.choice and failed.choice.url) == (url, url)
    assert "SECRET" not in repr(failed)
    assert failed.choice is not None
    assert (await client.get(failed.choice.source_set)).path.read_bytes() == WEBP


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a file that a program may read, and that no request of a user may lead to."""
    monkeypatch.chdir(tmp_path)
    Path("secret.txt").write_text("https://elsewhere.example/a.webp 480w", encoding="utf-8")
    return "secret.txt"


async def test_a_text_never_opens_a_file(secret: str, client: Client, origin: Origin) -> None:
    """A program may have it from anybody: a file that is there must look like one that is not."""
    names = (
        secret,
        "absent.txt",
        str(Path(secret).absolute()),
        "/etc/passwd",
        "/etc/absent",
        ".",
        f" {secret} ",
    )
    for name in names:
        outcomes = [outcome async for outcome in client.get_many([name])]
        outcomes += [outcome async for outcome in client.get_many(iter([name]))]
        with pytest.raises(ImgfetchError) as raised:
            await client.get(name)
        for told in (*outcomes, raised.value):
            assert isinstance(told, Failure | ImgfetchError)
            assert (told.kind, told.hint) == ("bad_url", "a file is given as a pathlib.Path"), name
        with pytest.raises(ImgfetchError, match="HTTP 404"):
            await client.get(name, base_url=origin.url)  # it is a relative URL
    with pytest.raises(ImgfetchError, match=r"pathlib\.Path"):
        await asyncio.to_thread(imgfetch.fetch, secret)


def test_a_path_and_an_open_file_are_read(secret: str) -> None:
    with Path(secret).open("rb") as binary, Path(secret).open(encoding="utf-8") as text:
        for source in (Path(secret), binary, text):
            (job,) = jobs([source])
            assert isinstance(job.choice, Choice)
            assert job.choice.url == "https://elsewhere.example/a.webp"


async def test_what_a_lazy_image_shows_meanwhile_is_taken_by_its_bytes(
    client: Client, origin: Origin
) -> None:
    origin.route("/transparent.png", whole(encoded("png", 90, 60)))
    origin.route("/blank.gif", whole(encoded("gif", 1, 1)))
    origin.route("/preview.png", whole(encoded("png", 40, 30)))
    origin.route("/full.webp", whole(WEBP))

    async def outcome(attributes: str) -> Image | Failure:
        outcomes = [each async for each in client.get_many([f"<img {attributes}>"], base_url=origin.url)]
        (found,) = outcomes
        return found

    photo = await outcome("src=/transparent.png data-src=/gone.webp")
    assert isinstance(photo, Image)
    assert photo.url.endswith("/transparent.png")
    assert any("gone.webp" in warning for warning in photo.warnings)
    for blank in ("/blank.gif", "/preview.png"):
        nothing = await outcome(f"src={blank} data-src=/gone.webp")
        assert isinstance(nothing, Failure)
        assert (nothing.http_status, nothing.tried[1].kind) == (404, ErrorKind.PLACEHOLDER)
        by_evidence = await outcome(f"src={blank} data-anything=/full.webp")
        assert isinstance(by_evidence, Image)
        assert by_evidence.url.endswith("/full.webp")
    alone = await outcome("src=/blank.gif")
    assert isinstance(alone, Image)
    assert "tracking_pixel: 1 x 1 pixels" in alone.warnings


async def test_of_all_renditions_a_placeholder_is_skipped(client: Client, origin: Origin) -> None:
    origin.route("/blank.gif", whole(encoded("gif", 1, 1)))
    origin.route("/full.webp", whole(WEBP))
    page = "<img src=/blank.gif data-src=/full.webp>"
    outcomes = [each async for each in client.get_many([page], base_url=origin.url, every=True)]
    full, blank = sorted(outcomes, key=lambda each: isinstance(each, Failure))
    assert isinstance(full, Image)
    assert full.url.endswith("/full.webp")
    assert isinstance(blank, Failure)
    assert blank.is_skipped


async def test_a_page_gives_originals_for_the_largest(client: Client, origin: Origin) -> None:
    origin.route("/thumb.webp", whole(WEBP))
    origin.route("/full.webp", whole(encoded("webp", 960, 540)))
    page = "<a href=/full.webp><img src=/thumb.webp></a>"
    assert (await client.get(page, base_url=origin.url)).width == 96
    assert (await client.get(page, base_url=origin.url, policy="largest")).width == 960
    assert (await client.get(page, base_url=origin.url, width=900)).width == 960
