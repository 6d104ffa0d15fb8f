"""`fetch` and `fetch_many`: for scripts, threads, and notebooks with a running event loop."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count, islice
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from imgfetch import Client, Failure, Image, InputError, Limits, fetch, fetch_many
from origin import Origin, slowly, stall, status, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

Way: TypeAlias = "Callable[[Callable[[], list[bytes]]], list[bytes]]"

WEBP = encoded("webp", 96, 54)
QUICK = Limits(retries=0, connect_timeout=2, read_timeout=2, total_timeout=5)
LOCAL: dict[str, Any] = {"allow_hosts": ["127.0.0.1"], "limits": QUICK}


@pytest.fixture(params=["cached", "cache=None"])
def options(request: pytest.FixtureRequest, cache: Path) -> dict[str, Any]:
    """The keywords for a cache, and for none."""
    return {"cache": cache if request.param == "cached" else None, **LOCAL}


@pytest.fixture(autouse=True)
def leaves_no_thread() -> Iterator[None]:
    before = {*threading.enumerate()}
    yield
    assert {each for each in threading.enumerate() if each.name.startswith("imgfetch")} <= before


def no_thread_of_ours() -> bool:
    return not any(each.name.startswith("imgfetch") for each in threading.enumerate())


def in_a_script(work: Callable[[], list[bytes]]) -> list[bytes]:
    return work()


def in_a_thread(work: Callable[[], list[bytes]]) -> list[bytes]:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def in_a_running_loop(work: Callable[[], list[bytes]]) -> list[bytes]:
    async def cell() -> list[bytes]:
        return work()

    return asyncio.run(cell())


WAYS = pytest.mark.parametrize("way", [in_a_script, in_a_thread, in_a_running_loop])


@WAYS
def test_fetch_works_wherever_it_is_called(way: Way, origin: Origin, options: dict[str, Any]) -> None:
    url = origin.route("/a.webp", whole(WEBP))
    for _ in range(2):
        assert way(lambda: [fetch(url, **options).read()]) == [WEBP]
    assert origin.asked() == (1 if options["cache"] else 2)


@WAYS
def test_fetch_many_works_wherever_it_is_called(way: Way, origin: Origin, options: dict[str, Any]) -> None:
    urls = [origin.route(f"/{number}.webp", whole(WEBP)) for number in range(30)]

    def work() -> list[bytes]:
        return [each.read() for each in fetch_many(urls, **options) if isinstance(each, Image)]

    for _ in range(2):
        assert way(work) == [WEBP] * 30
    assert origin.asked() == (30 if options["cache"] else 60)


def test_a_source_that_fails_is_a_failure_in_the_row(origin: Origin, options: dict[str, Any]) -> None:
    sources = [origin.route("/a.webp", whole(WEBP)), origin.route("/b.webp", status(404)), "nonsense"]
    outcomes = sorted(fetch_many(iter(sources), **options), key=lambda each: each.index)
    assert [type(each) for each in outcomes] == [Image, Failure, Failure]
    assert [each.kind for each in outcomes if isinstance(each, Failure)] == ["http_status", "bad_url"]


def test_the_keywords_choose_as_those_of_fetch(origin: Origin, options: dict[str, Any]) -> None:
    origin.route("/a.webp", whole(WEBP))
    (image,) = fetch_many(["a.webp 96w, b.webp 192w"], width=90, base_url=origin.url, **options)
    assert isinstance(image, Image)
    assert image.width == 96


def test_sources_are_drawn_as_outcomes_are_taken(origin: Origin, options: dict[str, Any]) -> None:
    url = origin.route("/a.webp", whole(WEBP))
    drawn: list[int] = []

    def endless() -> Iterator[str]:
        for number in count():
            drawn.append(number)
            yield url

    with closing(fetch_many(endless(), **options)) as outcomes:
        assert drawn == []
        assert sum(isinstance(each, Image) for each in islice(outcomes, 10)) == 10
        so_far = len(drawn)
        assert so_far <= 10 + 64 + 1
        time.sleep(0.2)
        assert len(drawn) == so_far
        assert sum(isinstance(each, Image) for each in islice(outcomes, 100)) == 100
        assert len(drawn) <= 110 + 64 + 1
    assert no_thread_of_ours()


def test_sources_are_drawn_in_the_thread_of_the_caller(origin: Origin, options: dict[str, Any]) -> None:
    """A cursor of sqlite3 refuses to serve another thread."""
    url, threads = origin.route("/a.webp", whole(WEBP)), set()

    def sources() -> Iterator[str]:
        for _ in range(100):
            threads.add(threading.current_thread())
            yield url

    assert len([*fetch_many(sources(), **options)]) == 100
    assert threads == {threading.current_thread()}


def test_an_error_of_the_sources_reaches_the_caller(origin: Origin, options: dict[str, Any]) -> None:
    url = origin.route("/a.webp", whole(WEBP))

    def broken() -> Iterator[str]:
        yield url
        raise ZeroDivisionError("of the caller")

    with pytest.raises(ZeroDivisionError, match="of the caller"):
        [*fetch_many(broken(), **options)]
    assert no_thread_of_ours()


def test_downloads_go_on_while_the_caller_works(origin: Origin, options: dict[str, Any]) -> None:
    urls = [origin.route(f"/{number}.webp", slowly(WEBP, pause=0.05)) for number in range(6)]
    options["limits"] = QUICK._replace(read_timeout=0.4)
    with closing(fetch_many(urls, **options)) as outcomes:
        found = [next(outcomes)]
        time.sleep(1)  # longer than an origin may be left waiting
        found += outcomes
    assert [type(each) for each in found] == [Image] * 6


@pytest.mark.parametrize("many", [0, 1])
def test_closing_early_stops_everything(many: int, origin: Origin, options: dict[str, Any]) -> None:
    urls = [origin.route("/a.webp", whole(WEBP))]
    urls += [origin.route(f"/{number}.webp", stall()) for number in range(30)]
    outcomes = fetch_many(iter(urls), **options)
    assert len([*islice(outcomes, many)]) == many
    outcomes.close()
    asked = origin.asked()
    assert no_thread_of_ours()
    assert [*outcomes] == []
    assert origin.asked() == asked
    del outcomes


def test_an_iterator_that_is_dropped_is_closed(origin: Origin, options: dict[str, Any]) -> None:
    urls = [origin.route("/a.webp", whole(WEBP)), origin.route("/b.webp", stall())]
    for outcome in fetch_many(urls, **options):
        assert isinstance(outcome, Image)
        break
    assert no_thread_of_ours()


def test_an_iterator_in_a_cycle_may_be_collected_by_its_own_thread(
    origin: Origin, options: dict[str, Any]
) -> None:
    urls = [origin.route("/a.webp", whole(WEBP)), origin.route("/b.webp", slowly(WEBP, pause=0.2))]
    is_dropped = threading.Event()

    def collect(_: object) -> None:
        if is_dropped.is_set():
            gc.collect()

    gc.disable()
    try:
        cycle: list[Any] = [fetch_many(urls, observe=collect, **options)]
        cycle.append(cycle)
        next(cycle[0])
        del cycle
        is_dropped.set()
        deadline = time.monotonic() + 20
        while not no_thread_of_ours() and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        gc.enable()
    assert no_thread_of_ours()


def test_what_cannot_be_meant_is_refused_at_once(cache: Path) -> None:
    async def stream() -> AsyncIterator[str]:
        yield "https://h.example/a.webp"

    with pytest.raises(TypeError, match="goes in a list"):
        fetch_many("https://h.example/a.webp")
    nonsense: tuple[Any, ...] = (stream(), 7)
    for sources in nonsense:
        with pytest.raises(TypeError, match="fetch_many takes an iterable"):
            fetch_many(sources)
    with pytest.raises(TypeError, match="bogus"):
        fetch_many([], bogus=1)
    with pytest.raises(InputError, match="offline: needs a cache"):
        fetch_many([], cache=None, offline=True)
    assert [*fetch_many([], cache=cache)] == []
    assert not cache.exists()


_INTERRUPTED = """
import sys, threading, imgfetch
call, url, cache = sys.argv[1:]
options = dict(cache=cache if cache != "None" else None, allow_hosts=["127.0.0.1"])
try:
    print("began", flush=True)
    if call == "fetch":
        imgfetch.fetch(url, **options)
    elif call.endswith("in a loop"):
        import asyncio
        async def cell():
            if call.startswith("fetch_many"):
                list(imgfetch.fetch_many(iter([url] * 3), **options))
            else:
                imgfetch.fetch(url, **options)
        asyncio.run(cell())
    else:
        for outcome in imgfetch.fetch_many(iter([url] * 3), **options):
            print(outcome)
except KeyboardInterrupt:
    print("interrupted", [each.name for each in threading.enumerate()])
"""


@pytest.mark.parametrize("call", ["fetch", "fetch in a loop", "fetch_many", "fetch_many in a loop"])
@pytest.mark.parametrize("kept", [True, False])
def test_a_keyboard_interrupt_stops_it(call: str, kept: bool, origin: Origin, cache: Path) -> None:
    url = origin.route("/a.webp", stall())
    command = [sys.executable, "-c", _INTERRUPTED, call, url, str(cache if kept else None)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while not origin.asked() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        try:
            out, error = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (out, error) == ("began\ninterrupted ['MainThread']\n", "")


def test_a_task_that_was_cancelled_between_two_outcomes_stops(
    origin: Origin, options: dict[str, Any]
) -> None:
    """As by Ctrl-C, while the caller works and awaits nothing."""
    urls = [origin.route(f"/{number}.webp", whole(WEBP)) for number in range(100)]

    async def cell() -> None:
        task = asyncio.current_task()
        assert task is not None
        for _ in fetch_many(iter(urls), **options):
            task.cancel()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cell())
    assert origin.asked() < 100
    assert no_thread_of_ours()


def test_a_program_with_an_iterator_left_open_ends(origin: Origin, options: dict[str, Any]) -> None:
    url = origin.route("/a.webp", whole(WEBP))
    stalled = origin.route("/b.webp", stall())
    cache = None if options["cache"] is None else str(options["cache"])
    code = f"""
import imgfetch
options = dict(cache={cache!r}, allow_hosts=["127.0.0.1"])
outcomes = imgfetch.fetch_many({[url, stalled]!r}, **options)
print(next(outcomes).format)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "webp\n", "")


# One Client, several event loops


def test_a_client_survives_a_second_run(origin: Origin, options: dict[str, Any]) -> None:
    origin.route(
        "/page", whole(b"<link rel=stylesheet href=s.css><img src=a.webp>", content_type="text/html")
    )
    origin.route("/s.css", whole(b"a { background: url(b.webp) }", content_type="text/css"))
    for name in "abcd":
        origin.route(f"/{name}.webp", whole(WEBP))
    client = Client(**options)
    for name in "cd":
        image = asyncio.run(client.get(f"{origin.url}/{name}.webp"))
        assert image.read() == WEBP
        assert no_thread_of_ours()

    async def page() -> int:
        return len(
            [each async for each in client.get_many([f"{origin.url}/page"]) if isinstance(each, Image)]
        )

    assert [asyncio.run(page()) for _ in range(2)] == [2, 2]
    asyncio.run(client.close())
    with pytest.raises(RuntimeError, match="this Client is closed; make another"):
        asyncio.run(client.get(f"{origin.url}/x.webp"))


def test_a_client_serves_one_running_loop_at_a_time(origin: Origin, options: dict[str, Any]) -> None:
    url, other = origin.route("/a.webp", whole(WEBP)), origin.route("/b.webp", whole(WEBP))

    async def outer() -> None:
        async with Client(**options) as client:
            await client.get(url)
            with pytest.raises(RuntimeError, match="serves another event loop.* make one for each loop"):
                await asyncio.to_thread(asyncio.run, client.get(other))
            assert (await client.get(other)).read() == WEBP

    asyncio.run(outer())
