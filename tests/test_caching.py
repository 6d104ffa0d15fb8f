"""`CachingTransport` in any httpx program: what it stores, what passes through, what it reports."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import imgfetch
from fakes import FakeClock
from hostile import apng
from imgfetch import CachingTransport, Client
from imgfetch.api.runtime import Runtime
from imgfetch.model.request import Limits, Settings
from imgfetch.rules.policy import proxy_policy
from imgfetch.store.disk_store import DiskStore
from imgfetch.system.clock import SystemClock
from imgfetch.transports.factory import Network
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from imgfetch.model.values import Key
    from imgfetch.ports import Clock

pytestmark = pytest.mark.anyio

WEBP = encoded("webp", 96, 54)
URL = "https://h.example/a"


class Inner(httpx.AsyncBaseTransport):
    """A transport that gives its responses in turn, and the last one from then on."""

    def __init__(self, *answers: httpx.Response | Exception | Callable[[], httpx.Response]) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer()

    async def aclose(self) -> None:
        self.closed = True


def answer(body: bytes = WEBP, status: int = 200, **fields: str) -> Callable[[], httpx.Response]:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return lambda: httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))


def client(cache: Path, inner: Inner, clock: Clock | None = None, **options: Any) -> httpx.AsyncClient:  # noqa: ANN401 (keywords of many types)
    transport = CachingTransport(cache, transport=inner, clock=clock or FakeClock(), **options)
    return httpx.AsyncClient(transport=transport, verify=False)


async def test_an_image_is_verified_stored_and_served_with_its_path(tmp_path: Path) -> None:
    inner = Inner(answer(cache_control="max-age=60"))
    async with client(tmp_path / "cache", inner) as http:
        first, second = await http.get(URL), await http.get(URL)
    assert first.content == second.content == WEBP
    extension, again = first.extensions["imgfetch"], second.extensions["imgfetch"]
    assert (extension["origin"], again["origin"], len(inner.requests)) == ("fetched", "cached", 1)
    assert extension["path"] == again["path"]
    assert extension["path"].read_bytes() == WEBP
    assert second.headers["age"] == "0"
    assert inner.closed


@pytest.mark.parametrize(
    ("body", "status", "fields", "problem"),
    [
        (b"<!doctype html><p>hello", 200, {}, "not_image"),
        (WEBP[:-9], 200, {}, "truncated"),
        (WEBP, 200, {"content_length": str(len(WEBP) + 1)}, "incomplete"),
        (WEBP, 404, {}, None),
        (b"", 204, {}, "empty"),
        (WEBP, 200, {"content_encoding": "compress"}, None),
    ],
)
async def test_a_body_that_is_not_a_whole_image_passes_through_and_is_not_stored(
    tmp_path: Path, body: bytes, status: int, fields: dict[str, str], problem: str | None
) -> None:
    inner = Inner(answer(body, status, **{"cache_control": "max-age=60", **fields}))
    async with client(tmp_path / "cache", inner) as http:
        for _ in range(2):
            response = await http.get(URL)
            assert (response.content, response.status_code) == (body, status)
            extension = response.extensions["imgfetch"]
            assert (extension["origin"], extension["path"]) == ("fetched", None)
            assert extension.get("problem", "").partition(":")[0] == (problem or "")
    assert len(inner.requests) == 2


async def test_what_is_not_the_name_of_a_coding_does_not_code_an_image(tmp_path: Path) -> None:
    inner = Inner(answer(WEBP, cache_control="max-age=60", content_encoding="utf-8"))
    async with client(tmp_path / "cache", inner) as http:
        first, second = await http.get(URL), await http.get(URL)
    assert (first.content, second.content, len(inner.requests)) == (WEBP, WEBP, 1)


async def test_without_verification_any_body_is_stored_and_an_image_with_its_own_suffix(
    tmp_path: Path,
) -> None:
    cache = tmp_path / "cache"
    inner = Inner(answer(b"{}", content_type="application/json", cache_control="max-age=60"), answer())
    async with client(cache, inner, verify="none") as http:
        await http.get(URL)
        response = await http.get(URL)
        assert response.json() == {}
        assert response.headers["content-type"] == "application/json"
        assert response.extensions["imgfetch"]["path"].suffix == ".bin"
        assert (await http.get(URL + "b")).extensions["imgfetch"]["path"].suffix == ".webp"
    assert [verdict.problem for verdict in imgfetch.Cache(cache).verify()] == [None, None]


async def test_it_shares_a_cache_with_the_client_and_each_requires_its_own_level_of_verification(
    tmp_path: Path,
) -> None:
    cache = tmp_path / "cache"
    inner = Inner(answer(cache_control="max-age=60"))
    clock = SystemClock()
    async with client(cache, inner, clock, verify="none") as http:
        await http.get(URL)
    for transport in (inner, Inner(answer(cache_control="max-age=60"))):
        async with client(cache, transport, clock) as http:
            response = await http.get(URL)
        async with Client(cache, transport=transport) as images:
            assert (await images.get(URL)).origin == "cached"
    assert (response.extensions["imgfetch"]["origin"], response.content) == ("cached", WEBP)
    assert len(inner.requests) == 2


async def test_an_apostrophe_in_a_query_is_the_same_image_in_both_spellings(tmp_path: Path) -> None:
    """httpx sends it as it is written, browsers and the `Client` its escape."""
    cache = tmp_path / "cache"
    inner = Inner(answer(cache_control="max-age=60"))
    async with client(cache, inner, SystemClock()) as http:
        for url in (f"{URL}?it's", f"{URL}?it%27s"):
            assert (await http.get(url)).content == WEBP
    async with Client(cache, offline=True) as images:
        for url in (f"{URL}?it's", f"{URL}?it%27s", f"{URL}?it's 480w"):
            assert (await images.get(url)).origin == "cached"
        found = [image async for image in images.get_many([f"{URL}?it's", f"{URL}?it%27s"])]
    assert [image.url for image in found] == [f"{URL}?it%27s"] * 2
    assert [request.url.raw_path.partition(b"?")[2] for request in inner.requests] == [b"it's"]
    kept = imgfetch.Cache(cache)
    assert [entry.key for entry in kept.entries()] == [f"{URL}?it%27s"]
    assert kept.pin(f"{URL}?it's") and kept.unpin(f"{URL}?it%27s")  # noqa: PT018
    assert kept.remove(f"{URL}?it's")
    assert kept.find(f"{URL}?it%27s") is None


async def test_the_client_does_not_serve_a_stored_body_that_is_not_an_image(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    async with client(cache, Inner(answer(b"{}", cache_control="max-age=60")), verify="none") as http:
        await http.get(URL)
    with pytest.raises(imgfetch.PolicyError, match="not in the cache"):
        await Client(cache, offline=True, verify="none").get(URL)


async def test_a_revalidated_image_is_served_with_the_fields_of_the_304(tmp_path: Path) -> None:
    clock = FakeClock()
    inner = Inner(
        answer(cache_control="max-age=60", etag='"1"', x="old"),
        answer(b"", 304, cache_control="max-age=60", etag='"1"', x="new"),
    )
    async with client(tmp_path / "cache", inner, clock) as http:
        await http.get(URL)
        clock.time += 61
        response = await http.get(URL)
    assert response.extensions["imgfetch"]["origin"] == "revalidated"
    assert (response.status_code, response.content, response.headers["x"]) == (200, WEBP, "new")
    assert inner.requests[1].headers["if-none-match"] == '"1"'


async def test_a_304_about_another_image_confirms_nothing(tmp_path: Path) -> None:
    inner = Inner(
        answer(cache_control="max-age=0", etag='"1"'),
        answer(b"", 304, etag='"2"'),
        answer(b"new", etag='"2"'),
    )
    async with client(tmp_path / "cache", inner) as http:
        await http.get(URL)
        assert (await http.get(URL)).content == b"new"
    assert ["if-none-match" in request.headers for request in inner.requests] == [False, True, False]


async def test_a_stale_image_is_served_while_the_origin_is_unreachable(tmp_path: Path) -> None:
    clock = FakeClock()
    inner = Inner(answer(cache_control="max-age=60"), httpx.ConnectError("nobody there"))
    async with client(tmp_path / "cache", inner, clock) as http:
        await http.get(URL)
        clock.time += 61
        response = await http.get(URL)
        assert response.extensions["imgfetch"]["origin"] == "stale"
        with pytest.raises(httpx.ConnectError):
            await http.get(URL + "other")


async def test_a_body_that_is_not_read_to_its_end_is_not_stored(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    inner = Inner(answer(cache_control="max-age=60"))
    async with client(cache, inner) as http:
        async with http.stream("GET", URL) as response:
            assert response.status_code == 200
        assert imgfetch.Cache(cache).find(URL) is None
        assert list((cache / "scratch-v1").glob("*")) == [] or not cache.exists()


async def test_an_object_that_is_evicted_before_it_is_served_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evict() -> None:
        for path in (tmp_path / "cache" / "objects-v1").rglob("*.webp"):
            path.unlink()

    def evicted(status: int) -> Callable[[], httpx.Response]:
        def answered() -> httpx.Response:
            evict()
            return answer(b"", status, etag='"1"')()

        return answered

    def unreachable() -> httpx.Response:
        evict()
        raise httpx.ConnectError("gone")

    fresh = answer(cache_control="max-age=60, stale-if-error=600", etag='"1"')
    inner = Inner(fresh)
    clock = FakeClock()
    async with client(tmp_path / "cache", inner, clock) as http:
        await http.get(URL)
        async with http.stream("GET", URL) as response:
            evict()
            assert await response.aread() == WEBP
        assert len(inner.requests) == 1

        await http.get(URL)
        find = DiskStore.find

        def find_and_evict(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 (those of `find`)
            found = find(*arguments, **options)
            evict()
            return found

        with monkeypatch.context() as patched:
            patched.setattr(DiskStore, "find", find_and_evict)
            assert (await http.get(URL)).extensions["imgfetch"]["origin"] == "fetched"
            only = await http.get(URL, headers={"cache-control": "only-if-cached"})
            assert only.status_code == 504

        for gone, status in ((evicted(304), 200), (evicted(503), 503), (unreachable, None)):
            inner.answers = [fresh, gone, fresh]
            url = f"{URL}{status}"
            await http.get(url)
            clock.time += 61
            if status is None:
                with pytest.raises(httpx.ConnectError):
                    await http.get(url)
            else:
                assert (await http.get(url)).status_code == status


async def test_a_body_over_the_limit_passes_through(tmp_path: Path) -> None:
    inner = Inner(answer(cache_control="max-age=60"))
    limits = imgfetch.Limits(max_bytes=10)
    async with client(tmp_path / "cache", inner, limits=limits) as http:
        response = await http.get(URL)
    assert response.content == WEBP
    assert response.extensions["imgfetch"]["path"] is None


async def test_a_folder_that_is_not_a_cache_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with client(tmp_path / "file", Inner(answer())) as http:
        with pytest.raises(imgfetch.CacheError, match="is a file"):
            await http.get(URL)


async def test_no_credential_is_written_to_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    inner = Inner(answer(cache_control="max-age=60", vary="Authorization, Cookie", set_cookie="s=SECRET"))
    headers = {"Authorization": "Bearer SECRET", "Cookie": "s=SECRET"}
    async with client(cache, inner, verify="none") as http:
        for _ in range(2):
            await http.get(URL, headers=headers)
        assert len(inner.requests) == 1
        await http.get(URL, headers={"Authorization": "Bearer OTHER"})
        assert len(inner.requests) == 2
    assert not any(b"SECRET" in path.read_bytes() for path in cache.rglob("*") if path.is_file())


class Cut(httpx.AsyncByteStream):
    """A body that breaks off."""

    def __init__(self) -> None:
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield WEBP[:10]
        raise httpx.ReadError("cut")

    async def aclose(self) -> None:
        self.closed = True


async def test_a_stale_image_is_revalidated_once_for_many_requests_and_leaves_nothing_open(
    tmp_path: Path,
) -> None:
    bodies: list[Cut] = []

    def cut() -> httpx.Response:
        bodies.append(Cut())
        return httpx.Response(200, headers={"cache-control": "max-age=0"}, stream=bodies[-1])

    inner = Inner(answer(cache_control="max-age=0, stale-while-revalidate=60", etag='"1"'), cut)
    transport = CachingTransport(tmp_path / "cache", transport=inner, clock=FakeClock())
    async with httpx.AsyncClient(transport=transport, verify=False) as http:
        await http.get(URL)
        stale = await asyncio.gather(*(http.get(URL) for _ in range(20)))
        assert {response.extensions["imgfetch"]["origin"] for response in stale} == {"stale"}
        await asyncio.gather(*transport._in_background)
        assert [body.closed for body in bodies] == [True]
        assert len(inner.requests) == 2
        await http.get(URL)
        await asyncio.gather(*transport._in_background)
        assert len(inner.requests) == 3  # the refresh failed, so the next request starts another
        assert list((tmp_path / "cache" / "scratch-v1").glob("*")) == []


class Locked:
    """The cache of somebody else, who is writing to it without end."""

    def __init__(self, cache: Path) -> None:
        self._connection = sqlite3.connect(cache / "index-v1.sqlite", isolation_level=None)
        self._connection.execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        self._connection.close()


async def test_a_request_that_the_origin_carried_out_does_not_fail_because_of_the_cache(
    tmp_path: Path,
) -> None:
    cache = tmp_path / "cache"
    kept = answer(cache_control="no-cache", etag='"1"')
    inner = Inner(kept, answer(b"", 304, etag='"1"', x="new"), answer())
    transport = CachingTransport(cache, transport=inner, clock=FakeClock())
    async with httpx.AsyncClient(transport=transport, verify=False) as http:
        await http.get(URL)
        with closing(DiskStore(cache, busy_timeout=0.05)) as impatient, closing(Locked(cache)):
            transport._store.close()
            transport._store = impatient
            confirmed = await http.get(URL)
            assert (confirmed.content, confirmed.headers["x"]) == (WEBP, "new")
            assert confirmed.extensions["imgfetch"]["origin"] == "revalidated"
            assert (await http.post(URL)).status_code == 200


async def test_a_cache_that_cannot_be_read_is_bypassed(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    inner = Inner(answer(cache_control="max-age=60"))
    async with client(cache, inner) as http:
        await http.get(URL)
    with closing(sqlite3.connect(cache / "index-v1.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    async with client(cache, inner) as http:
        assert (await http.get(URL)).content == WEBP
    assert len(inner.requests) == 2


async def test_a_post_invalidates_entries_without_blocking_the_loop(tmp_path: Path) -> None:
    inner = Inner(answer(cache_control="max-age=60"))
    transport = CachingTransport(tmp_path / "cache", transport=inner, clock=FakeClock())
    where: list[str] = []
    remove = transport._store.remove

    def watched(key: Key) -> bool:
        where.append(threading.current_thread().name)
        return remove(key)

    transport._store.remove = watched  # type: ignore[method-assign]
    async with httpx.AsyncClient(transport=transport, verify=False) as http:
        await http.get(URL)
        await http.post(URL)
        await http.get(URL)
    assert len(inner.requests) == 3
    assert where
    assert threading.main_thread().name not in where


async def test_a_transport_whose_close_fails_leaves_nothing_else_open(tmp_path: Path) -> None:
    class Stuck(Inner):
        async def aclose(self) -> None:
            raise OSError("stuck")

    transport = CachingTransport(tmp_path / "cache", transport=Stuck(answer()), clock=FakeClock())
    request = httpx.Request("GET", URL)
    await (await transport.handle_async_request(request)).aread()
    with pytest.raises(OSError, match="stuck"):
        await transport.aclose()
    with pytest.raises(RuntimeError, match="after shutdown"):
        await transport._threads.run(lambda: None)
    assert transport._store._index._database._reading.opened is None

    assembly = Runtime(
        DiskStore(tmp_path / "cache"), Settings(), Network(transport=Stuck(answer())), lambda _: None
    )
    with pytest.raises(OSError, match="stuck"):
        await assembly.close()
    with pytest.raises(RuntimeError, match="after shutdown"):
        await assembly._runner.run(lambda: None)


async def test_closing_does_not_block_the_loop_while_threads_finish(tmp_path: Path) -> None:
    transport = CachingTransport(tmp_path / "cache", transport=Inner(answer()))
    go_on = threading.Event()
    work = asyncio.create_task(transport._threads.run(lambda: go_on.wait(10)))
    await asyncio.sleep(0.01)
    ending = asyncio.create_task(transport.aclose())
    await asyncio.sleep(0.01)
    go_on.set()
    await ending
    assert await work


@pytest.mark.parametrize(
    ("wanted", "span"),
    [
        ("bytes=0-1", (0, 2)),
        ("bytes=0-", (0, 10)),
        ("bytes=9-99", (9, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        *((text, None) for text in ("bytes=10-", "bytes=-0", "bytes=5-4", "bytes=0-1,3-4", "bytes=-")),
        *((text, None) for text in ("lines=0-1", "bytes=a-b", "bytes 0-1", "", "bytes=" + "9" * 9999 + "-")),
    ],
)
def test_a_range_of_one_span_is_parsed(wanted: str, span: tuple[int, int] | None) -> None:
    assert proxy_policy._span(wanted, 10) == span


async def test_a_body_whose_decode_takes_too_long_passes_through(tmp_path: Path) -> None:
    body = apng(2_000, 70)
    limits = Limits(total_timeout=0.3)
    transport = CachingTransport(tmp_path, transport=Inner(answer(body)), limits=limits)
    async with httpx.AsyncClient(transport=transport) as client:
        response = await asyncio.wait_for(client.get(URL), 10)
    assert response.content == body
    assert response.extensions["imgfetch"] == {
        "origin": "fetched",
        "path": None,
        "problem": "timeout: the image was not decoded within the time limit of 0.3 s",
    }
