"""What a caller gives goes to its own origin alone, and what it brings back answers for no other caller."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imgfetch
from imgfetch import CachingTransport, Client, Image, InputError, Limits
from imgfetch.cli import main
from imgfetch.cli.fast_path import answer as answer_at_once
from imgfetch.cli.options import parse
from imgfetch.model.request import NO_SECRETS, Secrets, Settings, SourceOrigin
from imgfetch.rules.http import credentials, urls
from imgfetch.store.disk_store import DiskStore
from origin import Answer, Origin, Request, cut, head, redirect, status, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.anyio

WEBP = encoded("webp", 96, 54)
LIMITS = Limits(retries=0, total_timeout=5)
HEADERS = {"Authorization": "Bearer SECRET", "X-Api-Key": "SECRET", "Cookie": "s=SECRET"}
OPEN: dict[str, Any] = {"limits": LIMITS, "allow_hosts": ["127.0.0.1"]}


def page(*urls_of_images: str) -> Answer:
    images = "".join(f'<img src="{url}">' for url in urls_of_images)
    return whole(f"<!doctype html><title>x</title>{images}".encode(), content_type="text/html")


def basic(userinfo: str) -> str:
    import base64

    return "Basic " + base64.b64encode(userinfo.encode()).decode()


def named(url: str, userinfo: str) -> str:
    return url.replace("://", f"://{userinfo}@")


def of_caller(request: Request) -> dict[str, str]:
    """What a request carries of all that callers give here."""
    return {
        name: value
        for name, value in request.headers.items()
        if name in ("authorization", "x-api-key", "cookie", "x-for")
    }


async def outcomes(cache: Path, source: object, **options: Any) -> list[Any]:  # noqa: ANN401 (those of Client)
    async with Client(cache, **OPEN, **options) as client:
        return [outcome async for outcome in client.get_many([source])]  # type: ignore[list-item]


# Which origin receives what the caller gives


async def test_a_page_has_the_callers_headers_sent_to_its_own_origin_alone(
    cache: Path, origin: Origin
) -> None:
    foreign = origin.door()
    for path in ("/own", "/foreign", "/styled"):
        origin.route(path, whole(WEBP))
    origin.route("/page", page("/own", f"{foreign}/foreign"))
    assert all(isinstance(o, Image) for o in await outcomes(cache, f"{origin.url}/page", headers=HEADERS))
    told = {request.path: of_caller(request) for request in origin.requests}
    own = {name.lower(): value for name, value in HEADERS.items()}
    assert told == {"/page": own, "/own": own, "/foreign": {}}


async def test_a_page_that_redirects_lead_to_has_none_of_them_sent_anywhere(
    cache: Path, origin: Origin
) -> None:
    foreign = origin.door()
    origin.route("/a", whole(WEBP))
    origin.route("/b", whole(encoded("webp", 95, 54)))
    origin.route("/there", page("/a", f"{origin.url}/b"))
    origin.route("/page", redirect(f"{foreign}/there"))
    assert len(await outcomes(cache, f"{origin.url}/page", headers=HEADERS)) == 2
    assert [bool(of_caller(request)) for request in origin.requests] == [True, False, False, False]


async def test_an_image_of_a_page_brings_them_back_by_no_redirect(cache: Path, origin: Origin) -> None:
    foreign = origin.door()
    origin.route("/b", whole(WEBP))
    origin.route("/a", redirect(f"{origin.url}/b"))
    origin.route("/page", page(f"{foreign}/a"))
    await outcomes(cache, f"{origin.url}/page", headers=HEADERS)
    assert {r.path: bool(of_caller(r)) for r in origin.requests} == {"/page": True, "/a": False, "/b": False}


async def test_userinfo_of_a_page_is_sent_for_its_images_on_the_same_origin(
    cache: Path, origin: Origin
) -> None:
    foreign = origin.door()
    for path in ("/own", "/foreign", "/evil", "/evil2"):
        origin.route(path, whole(WEBP))
    evil = [
        named(f"{where}{path}", "evil:evil") for where, path in ((origin.url, "/evil"), (foreign, "/evil2"))
    ]
    origin.route("/page", page("/own", f"{foreign}/foreign", *evil))
    await outcomes(cache, named(f"{origin.url}/page", "u:p"))
    own = {"authorization": basic("u:p")}
    told = {request.path: of_caller(request) for request in origin.requests}
    assert told == {"/page": own, "/own": own, "/foreign": {}, "/evil": own, "/evil2": {}}


@pytest.mark.parametrize("form", ["html", "css", "file", "srcset", "reference", "source_set"])
async def test_other_sources_belong_to_the_page_they_stand_on(
    form: str, cache: Path, origin: Origin, tmp_path: Path
) -> None:
    foreign = origin.door()
    own, other = origin.route("/own", whole(WEBP)), f"{foreign}/other"
    origin.route("/other", whole(encoded("webp", 95, 54)))
    html = f"<!doctype html><img src='{own}'><img src='{other}'>"
    source: Any = html
    match form:
        case "css":
            source = f"p {{ background: url({own}) }} q {{ background: url({other}) }}"
        case "file":
            source = tmp_path / "page.html"
            source.write_text(html)
        case "srcset":
            source = f"{own} 96w, {other} 95w"
        case "source_set":
            source = imgfetch.find_images(f"{own} 96w, {other} 95w")[0]
        case "reference":
            source = "/own"
    async with Client(cache, **OPEN, headers=HEADERS) as client:
        for base, every in (("", True), (f"{origin.url}/x", True)):
            origin.requests.clear()
            if form != "reference" or base:
                async for _ in client.get_many([source], base_url=base, every=every):
                    pass
            for request in origin.requests:
                assert bool(of_caller(request)) is (bool(base) and request.path == "/own"), (form, base)
            assert form == "css" or origin.asked("/own") == (1 if base or form != "reference" else 0)


async def test_a_srcset_whose_urls_are_all_on_one_origin_is_of_that_origin(
    cache: Path, origin: Origin
) -> None:
    origin.route("/a", status(404))
    origin.route("/b", whole(WEBP))
    async with Client(cache, **OPEN, headers=HEADERS) as client:
        assert (await client.get(f"{origin.url}/a 95w, {origin.url}/b 96w", width=95)).width == 96
    assert [bool(of_caller(request)) for request in origin.requests] == [True, True]


async def test_headers_for_an_origin_go_there_whoever_names_it(cache: Path, origin: Origin) -> None:
    foreign, third = origin.door(), origin.door()
    headers = {**HEADERS, foreign.upper().replace("HTTP", "http"): {"X-For": "it"}}
    origin.route("/b", whole(WEBP))
    origin.route("/c", redirect(f"{foreign}/b"))
    origin.route("/page", page(f"{foreign}/b?1", f"{third}/c"))
    origin.route("/b?1", whole(WEBP))
    await outcomes(cache, f"{origin.url}/page", headers=headers)
    told = {request.path: {*of_caller(request)} for request in origin.requests}
    assert told == {
        "/page": {name.lower() for name in HEADERS},
        "/b?1": {"x-for"},
        "/c": set(),
        "/b": {"x-for"},
    }


@pytest.mark.parametrize(
    "wrong", ["h.example", "https://h.example/path", "https://u:SECRET@h.example", "ftp://h"]
)
def test_what_is_no_origin_is_refused(wrong: str, cache: Path) -> None:
    with pytest.raises(InputError) as caught:
        Client(cache, headers={wrong: {"A": "b"}})
    assert "SECRET" not in str(caught.value)


async def test_robots_txt_is_asked_for_without_any_of_them(cache: Path, origin: Origin) -> None:
    foreign = origin.door()
    origin.route("/robots.txt", redirect(f"{foreign}/rules"))
    origin.route("/rules", whole(b""))
    origin.route("/page", page("/a", f"{foreign}/b"))
    origin.route("/a", whole(WEBP))
    origin.route("/b", whole(WEBP))
    headers = {**HEADERS, foreign: {"X-For": "it"}}
    await outcomes(cache, named(f"{origin.url}/page", "u:p"), headers=headers, robots=True)
    told = {request.path: bool(of_caller(request)) for request in origin.requests}
    assert told == {"/robots.txt": False, "/rules": False, "/page": True, "/a": True, "/b": True}


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_graph_of_pages_and_redirects_never_brings_them_to_another_origin(data: st.DataObject) -> None:
    with Origin() as origin:
        doors = [origin.url, origin.door(), origin.door()]
        number = data.draw(st.integers(2, 7), "nodes")
        places = data.draw(st.lists(st.sampled_from(doors), min_size=number, max_size=number), "origins")
        where = [f"{place}/{i}" for i, place in enumerate(places)]
        written = st.sampled_from([*where, *(named(url, "evil:evil") for url in where)])
        for i in range(number):
            match data.draw(st.sampled_from(["page", "page", "redirect", "image"]), f"node {i}"):
                case "page":
                    origin.route(f"/{i}", page(*data.draw(st.lists(written, max_size=4))))
                case "redirect":
                    code = data.draw(st.sampled_from([301, 302, 303, 307, 308]))
                    origin.route(f"/{i}", redirect(data.draw(st.sampled_from(where)), code))
                case _:
                    origin.route(f"/{i}", whole(encoded("webp", 10 + i, 10), cache_control="no-cache"))
        named_too = data.draw(st.sampled_from([None, *doors]), "header for")
        userinfo = data.draw(st.booleans(), "userinfo")
        headers: dict[str, Any] = dict(HEADERS)
        if userinfo:
            del headers["Authorization"]
        if named_too is not None:
            headers[named_too] = {"X-For": "it"}
        source = named(where[0], "SECRET:SECRET") if userinfo else where[0]

        async def run(cache: str) -> None:
            for options in ({}, {"robots": True}):
                await outcomes(Path(cache), source, headers=headers, refresh=True, **options)

        with tempfile.TemporaryDirectory() as cache:
            asyncio.run(run(cache))
        own, other = (place and place.removeprefix("http://") for place in (places[0], named_too))
        assert any(of_caller(request) for request in origin.requests)
        for request in origin.requests:
            carried = of_caller(request)
            forth = carried.pop("x-for", None)
            assert forth is None or request.headers["host"] == other
            assert not carried or request.headers["host"] == own
            assert basic("evil:evil") not in carried.values()


# Which stored response answers which caller

CALLERS: tuple[dict[str, str], ...] = (
    {},
    {"Authorization": "alice"},
    {"Authorization": "bob"},
    {"X-Api-Key": "alice"},
    {"Cookie": "a=b"},
    {"Accept-Language": "de", "User-Agent": "another", "Referer": "http://h.example/"},
)


def private(**fields: str) -> Answer:
    """An image that is another one for each caller: as wide as the number that it has, from 20."""

    async def answer(writer: asyncio.StreamWriter, request: Request) -> bool:
        body = encoded("webp", width_for(of_caller(request)), 10)
        writer.write(head(200, content_length=len(body), **fields) + body)
        return True

    return answer


def width_for(carried: Mapping[str, str]) -> int:
    given = {name.lower(): value for name, value in carried.items()}
    given = {name: value for name, value in given.items() if name in ("authorization", "x-api-key", "cookie")}
    known = [*CALLERS[:-1], {"authorization": basic("u:p")}, {"authorization": basic("v:p")}]
    return 20 + [{n.lower(): v for n, v in each.items()} for each in known].index(given)


async def width_by(
    kind: str,
    cache: Path,
    url: str,
    caller: dict[str, str],
    **options: Any,  # noqa: ANN401 (those of Client)
) -> int | None:
    """How wide the image is that a caller is given in one of the ways to ask for it."""
    if kind == "transport":
        from imgfetch import GuardedTransport

        layer = CachingTransport(cache, transport=GuardedTransport(["127.0.0.1"]))
        async with httpx.AsyncClient(transport=layer) as client:
            response = await client.get(url, headers=caller)
        if response.status_code != 200:
            return None
        return imgfetch.check_image(response.content).width
    async with Client(cache, **OPEN, headers=caller, **options) as client:
        got = [outcome async for outcome in client.get_many([url])]
    return got[0].width if isinstance(got[0], Image) else None


@pytest.mark.parametrize("kind", ["client", "transport"])
async def test_a_response_to_credentials_answers_no_other_caller(
    kind: str, cache: Path, origin: Origin
) -> None:
    url = origin.route("/a", private(cache_control="max-age=600"))
    sources = [(url, caller) for caller in CALLERS] + [(named(url, "u:p"), {}), (named(url, "v:p"), {})]
    for _ in range(2):
        for source, caller in sources:
            found = await width_by(kind, cache, source, caller)
            carried = dict(caller)
            if "@" in source:
                carried["authorization"] = basic("u:p" if "u:p" in source else "v:p")
            assert found == width_for(carried), (source, caller)
    # All that only prefer, name themselves or say where they come from share one stored response.
    assert origin.asked("/a") == len(sources) - 1


async def test_both_ways_to_ask_share_what_is_stored_for_the_same_credentials(
    cache: Path, origin: Origin
) -> None:
    url = origin.route("/a", private(cache_control="max-age=600"))
    for kind in ("client", "transport", "client"):
        assert await width_by(kind, cache, named(url, "u:p"), {}) == width_for(
            {"authorization": basic("u:p")}
        )
        assert await width_by(kind, cache, url, {"X-Api-Key": "alice"}) == width_for({"X-Api-Key": "alice"})
    assert origin.asked() == 2


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["client", "transport"]),
            st.integers(0, len(CALLERS) - 1),
            st.sampled_from([{}, {"offline": True}, {"refresh": True}]),
            st.sampled_from(["up", "up", "down", "cut"]),
        ),
        min_size=2,
        max_size=8,
    ),
    st.sampled_from(["max-age=600", "no-cache", "max-age=0, stale-while-revalidate=60, stale-if-error=600"]),
    st.sampled_from(["", "Authorization", "X-Api-Key, Accept-Language"]),
)
def test_whatever_is_asked_in_any_order_each_caller_is_given_its_own(
    steps: list[tuple[str, int, dict[str, bool], str]], control: str, vary: str
) -> None:
    async def run(cache: Path, origin: Origin) -> None:
        for kind, caller, options, state in steps:
            match state:
                case "up":
                    url = origin.route("/a", private(cache_control=control, etag='"1"', vary=vary))
                case "down":
                    url = origin.route("/a", status(503))
                case _:
                    url = origin.route("/a", cut_for_each(cache_control=control, etag='"1"', vary=vary))
            found = None
            with suppress(httpx.HTTPError):
                own = {} if kind == "transport" else options
                found = await width_by(kind, cache, url, CALLERS[caller], **own)
            assert found in (None, width_for(CALLERS[caller]))

    with Origin() as origin, tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder, "cache"), origin))


def cut_for_each(**fields: str) -> Answer:
    """The same, broken off in the middle; the rest of it where that is asked for."""

    async def answer(writer: asyncio.StreamWriter, request: Request) -> bool:
        body = encoded("webp", width_for(of_caller(request)), 10)
        await cut(body, at=len(body) // 2, **fields)(writer, request)
        return False

    return answer


async def test_a_beginning_that_some_credentials_brought_no_others_resume(
    cache: Path, origin: Origin
) -> None:
    url = origin.route("/a", cut_for_each(etag='"1"'))
    assert await width_by("client", cache, url, {"Authorization": "alice"}) is None
    for caller, resumes in (
        ({}, False),
        ({"Authorization": "bob"}, False),
        ({"Authorization": "alice"}, True),
    ):
        await width_by("client", cache, url, caller)
        assert ("range" in origin.requests[-1].headers) is resumes, caller


async def test_callers_of_one_process_share_neither_a_request_nor_a_lease(
    cache: Path, origin: Origin
) -> None:
    async def slow(writer: asyncio.StreamWriter, request: Request) -> bool:
        await asyncio.sleep(0.1)
        return bool(await private(cache_control="max-age=600")(writer, request))

    url = origin.route("/a", slow)
    sources = [url, named(url, "u:p"), named(url, "v:p")] * 2
    async with (
        Client(cache, **OPEN) as client,
        Client(cache, **OPEN, headers={"X-Api-Key": "alice"}) as other,
    ):
        found = await asyncio.gather(
            *(client.get(source) for source in sources), other.get(url), other.get(url)
        )
    assert [image.width for image in found] == [20, 25, 26, 20, 25, 26, 23, 23]
    assert origin.asked("/a") == 4


async def test_an_image_of_a_page_and_the_same_url_given_alone_are_two(cache: Path, origin: Origin) -> None:
    """In one run of one client: named by a foreign page it is asked for without what the caller gives."""
    foreign = origin.door()
    url = origin.route("/a", private(cache_control="max-age=600"))
    origin.route("/page", page(url))
    async with Client(cache, **OPEN, headers={"Authorization": "alice"}) as client:
        found = await asyncio.gather(client.get(f"{foreign}/page"), client.get(url))
        again = await asyncio.gather(client.get(f"{foreign}/page"), client.get(url))
    assert [image.width for image in (*found, *again)] == [20, 21, 20, 21]
    assert origin.asked("/a") == 2


async def test_a_response_behind_a_redirect_depends_on_what_was_given_for_that_origin(
    cache: Path, origin: Origin
) -> None:
    foreign = origin.door()
    origin.route("/b", private(cache_control="max-age=600", vary="Authorization"))
    url = origin.route("/a", redirect(f"{foreign}/b", 301))
    direct = origin.route("/direct", private(cache_control="max-age=600"))

    async def widths(**headers: dict[str, str]) -> list[int]:
        async with Client(cache, **OPEN, headers=headers) as client:
            return [(await client.get(source)).width for source in (url, direct)]

    for _ in range(2):
        assert await widths() == [20, 20]
        assert await widths(**{foreign: {"Authorization": "alice"}}) == [21, 20]
        assert await widths(**{foreign: {"Authorization": "bob"}}) == [22, 20]
    assert (origin.asked("/b"), origin.asked("/direct")) == (3, 1)
    with closing(sqlite3.connect(next(cache.glob("index*.sqlite")))) as index:
        assert {*index.execute("SELECT variant FROM entry")} == {("",)}


async def test_no_fast_way_serves_what_credentials_brought(home: Path, origin: Origin) -> None:
    cache = home / "cache"
    url = origin.route("/a", private(cache_control="max-age=600"))
    assert await width_by("client", cache, url, {"Authorization": "alice"}) == 21
    assert answer_at_once(["get", url]) is None
    with closing(DiskStore(cache)) as store:
        key = urls.key(url)
        assert key is not None
        assert not store.lookup([key], now=1e10).hits
        assert store.find(key) is None
        assert store.find(key, None) is None
    async with Client(cache, **OPEN, offline=True) as client:
        outcome = [o async for o in client.get_many([url])]
    assert outcome[0].kind == "offline"  # type: ignore[union-attr]
    assert await width_by("client", cache, url, {}) == 20
    async with Client(cache, **OPEN, headers={"Authorization": "bob"}) as client:
        images = [o async for o in client.get_many([url, url])]
    assert [image.width for image in images if isinstance(image, Image)] == [22, 22]


async def test_neither_credentials_nor_a_hash_without_the_salt_are_in_the_cache(
    cache: Path, origin: Origin
) -> None:
    import hashlib

    url = origin.route("/a", private(vary="Authorization", cache_control="max-age=600"))
    assert await width_by("client", cache, url, {"Authorization": "alice"}) == 21
    bare = [hashlib.sha256(b"alice").hexdigest()[:32].encode(), b"alice"]
    for path in cache.rglob("*"):
        if path.is_file():
            assert not any(each in path.read_bytes() for each in bare), path
    with closing(sqlite3.connect(next(cache.glob("index*.sqlite")))) as index:
        ((selector, variant),) = index.execute("SELECT selector, variant FROM entry")
    assert (len(selector), variant) == (32, "")


def test_two_caches_have_two_hashes_of_the_same_credentials(tmp_path: Path) -> None:
    secrets = Secrets((("authorization", "alice"),))
    with closing(DiskStore(tmp_path / "a")) as one, closing(DiskStore(tmp_path / "b")) as two:
        hashes = {credentials.selector(secrets, store.salt(), redirected=False) for store in (one, two)}
    assert len(hashes) == 2


def test_what_selects_is_all_but_preferences_and_names() -> None:
    kept = ("Accept", "ACCEPT-Language", "User-Agent", "referer", "Cache-Control", "Range")
    assert credentials.selecting([(name, "x") for name in kept]) == ()
    others = ("Authorization", "Cookie", "X-Api-Key", "Host", "Origin", "Traceparent", "DNT")
    assert len(credentials.selecting([(name, "x") for name in others])) == len(others)
    several = [("cookie", "a=1"), ("Accept", "x"), ("Cookie", "b=2")]
    assert credentials.selecting(several) == (("cookie", "a=1, b=2"),)
    address = urls.read("http://h.example/a")
    assert isinstance(address, urls.Address)
    plain = Settings(headers=(("Accept", "image/webp"),))
    assert credentials.secrets(address, plain, SourceOrigin(address.origin)) == NO_SECRETS


# From https: to http:


def moving(**answers: httpx.Response) -> httpx.MockTransport:
    """Origins that answer by the path, whatever their scheme."""
    return httpx.MockTransport(lambda request: answers[request.url.path.strip("/")])


def to(url: str) -> httpx.Response:
    return httpx.Response(302, headers={"location": url, "cache-control": "max-age=600"})


def image(**headers: str) -> httpx.Response:
    return httpx.Response(200, content=WEBP, headers={"cache-control": "max-age=600", **headers})


async def at_the_end(cache: Path, url: str, **options: Any) -> Any:  # noqa: ANN401 (those of Client)
    answers = {
        "a": to("http://h.example/b"),
        "b": image(),
        "c": to("http://h.example/d"),
        "d": to("https://h.example/b"),
    }
    async with Client(cache, limits=LIMITS, transport=moving(**answers), **options) as client:
        try:
            return await client.get(url)
        except imgfetch.ImgfetchError as error:
            return error


async def test_a_redirect_from_https_to_http_is_refused(cache: Path) -> None:
    error = await at_the_end(cache, "https://h.example/a")
    assert (error.kind, error.retryable) == ("bad_redirect", False)
    assert "redirect from https: to http://h.example/b" in str(error)
    assert "allow_downgrade=True" in str(error)
    assert not [*cache.rglob("*.webp")]
    assert isinstance(await at_the_end(cache, "http://h.example/a"), Image)


@pytest.mark.parametrize("path", ["a", "c"])
async def test_what_came_by_one_answers_only_callers_that_allow_it(path: str, cache: Path) -> None:
    url = f"https://h.example/{path}"
    assert (await at_the_end(cache, url, allow_downgrade=True)).origin == "fetched"
    assert (await at_the_end(cache, url)).kind == "bad_redirect"
    assert answer_at_once(["get", "--cache", str(cache), url]) is None
    assert isinstance(await at_the_end(cache, url, allow_downgrade=True), Image)
    if path == "a":
        assert (await at_the_end(cache, url, offline=True)).kind == "offline"
        assert (await at_the_end(cache, url, allow_downgrade=True)).origin == "cached"


async def test_an_image_that_an_https_page_names_by_http_is_fetched_as_it_is_named(cache: Path) -> None:
    html = b"<!doctype html><img src='http://h.example/b'>"
    transport = moving(
        page=httpx.Response(200, content=html, headers={"content-type": "text/html"}), b=image()
    )
    async with Client(cache, limits=LIMITS, transport=transport) as client:
        got = await client.get("https://h.example/page")
    assert (got.url, got.entry.key) == ("http://h.example/b", "http://h.example/b")


def test_the_command_line_can_allow_it(home: Path) -> None:
    for command in (["get", "x"], ["batch", "x"], ["retry", "x"], ["pick", "x"], ["cache", "verify"]):
        assert parse([*command, "--allow-downgrade"]).allow_downgrade
        assert not parse(command).allow_downgrade


# The command line


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_line_sends_headers_by_origin(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = origin.door()
    origin.route("/own", whole(WEBP))
    origin.route("/foreign", whole(encoded("webp", 95, 54)))
    url = origin.route("/page", page("/own", f"{foreign}/foreign"))
    common = ("get", url, "--allow-host", "127.0.0.1", "--refresh", "-q", "-H", "X-Api-Key: SECRET")
    expected = {"/page": {"x-api-key"}, "/own": {"x-api-key"}, "/foreign": {"x-for"}}

    def told() -> dict[str, set[str]]:
        found = {request.path: {*of_caller(request)} for request in origin.requests}
        origin.requests.clear()
        return found

    assert run(capsys, *common, "--header-for", foreign, "X-For: it")[0] == 0
    assert told() == expected
    monkeypatch.setenv("IMGFETCH_HEADER_FOR", f"{foreign} X-For: it")
    assert run(capsys, *common)[0] == 0
    assert told() == expected
    code, _, complaint = run(capsys, *common, "--header-for", "h.example", "X-For: SECRET")
    assert (code, "SECRET" in complaint) == (2, False)
    assert "origin" in complaint
    assert "X-For: …" in run(capsys, "doctor")[1]


@pytest.mark.parametrize("source", ["page.html", "/a", "/a 96w, /b 97w"])
def test_the_base_that_a_file_of_the_folder_names_is_sent_nothing(
    source: str, home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.route("/a", status(503), whole(WEBP))
    Path("page.html").write_text("<!doctype html><img src='/a'>")
    Path("imgfetch.toml").write_text(f'[tool.imgfetch]\nbase = "{origin.url}"\n')
    words = (source, "--allow-host", "127.0.0.1", "-R", "0", "-q", "-H", "X-Api-Key: SECRET", "-w", "90")
    assert run(capsys, "get", *words, "--report", "r")[0] == 1
    assert run(capsys, "retry", "r", *words[1:], "--report", "s")[0] == 0
    assert [of_caller(request) for request in origin.requests] == [{}, {}]
    assert run(capsys, "get", *words, "--refresh", "--base", origin.url)[0] == 0
    assert of_caller(origin.requests[-1]) == {"x-api-key": "SECRET"}


def test_what_failed_of_a_page_is_tried_again_with_the_headers_of_its_origin(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = origin.door()
    for path in ("/own", "/foreign", "/back"):
        origin.route(path, status(503), whole(encoded("webp", 90 + len(path), 54)))
    url = origin.route("/page", page("/own", f"{foreign}/foreign"))
    left = origin.route("/left", redirect(f"{foreign}/away"))
    origin.route("/away", page(f"{origin.url}/back"))
    options = ("--allow-host", "127.0.0.1", "-R", "0", "-q", "-H", "X-Api-Key: SECRET")
    assert run(capsys, "get", named(url, "u:p"), left, *options, "--report", "r")[0] == 1
    origin.requests.clear()
    assert run(capsys, "retry", "r", *options)[0] == 0
    told = {request.path: {*of_caller(request)} for request in origin.requests}
    assert told == {"/own": {"x-api-key"}, "/foreign": set(), "/back": set()}


def test_explain_says_what_get_would_do_with_the_same_headers(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a", private(cache_control="max-age=600"))
    alice = ("-H", "Authorization: alice")
    assert run(capsys, "get", url, "--allow-host", "127.0.0.1", "-q", *alice)[0] == 0
    told = json.loads(run(capsys, "explain", "--json", url, *alice)[1])
    assert (told["action"], told["held"]) == ("serve", True)
    _, text, _ = run(capsys, "explain", url)
    assert "with other credentials" in text
    assert "get would send a request" in text
    _, text, _ = run(capsys, "explain", named(url, "u:p"))
    assert ("authorization: …" in text, basic("u:p") in text) == (True, False)
    _, text, _ = run(capsys, "explain", url, "--header-for", origin.url, "X-Api-Key: SECRET")
    assert ("x-api-key: …" in text, "SECRET" in text) == (True, False)
