"""`PooledTransport` and `CachingTransport` in `httpx.Client`: requests that block."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from echo import Echo, echo_thread
from imgfetch import CachingTransport, InputError, PolicyError, PooledTransport
from imgfetch.system.loop_thread import LoopThread
from origin import Origin, redirect, stall, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCAL = ["127.0.0.1"]
WEBP = encoded("webp", 96, 54)


def client(**options: bool) -> httpx.Client:
    return httpx.Client(transport=PooledTransport(LOCAL), **options)  # type: ignore[arg-type] # bools alone


def pieces() -> Iterator[bytes]:
    yield b"in "
    yield b"pieces"


def test_any_method_is_sent_with_its_body_on_one_connection() -> None:
    with echo_thread() as server, client() as http:
        for method, body in (("POST", b"x" * 300_000), ("PUT", b"y"), ("DELETE", None)):
            response = http.request(method, server.url, content=body)
            assert (response.content, response.headers["x"]) == (body or b"", method)
        assert http.post(server.url, content=pieces()).content == b"in pieces"
        assert http.post(server.url, files={"a": ("a.txt", b"a file")}).status_code == 200
        assert b"a file" in server.received[-1]
        assert http.head(server.url).headers["x"] == "HEAD"
        assert server.connections == 1


def test_a_body_is_downloaded_piece_by_piece() -> None:
    with echo_thread() as server, client() as http:
        sent = bytes(range(256)) * 8_000
        with http.stream("POST", server.url, content=sent) as response:
            received = [*response.iter_raw()]
        assert b"".join(received) == sent
        assert len(received) > 1


def test_httpx_follows_redirects() -> None:
    with Origin() as origin, client(follow_redirects=True) as http:
        origin.route("/b", whole(WEBP))
        assert http.get(origin.route("/a", redirect("/b"))).content == WEBP


def test_errors_are_raised_as_those_of_httpx() -> None:
    with echo_thread() as server, client() as http:
        with pytest.raises(httpx.ReadTimeout):
            http.get(f"{server.url}/stall", timeout=httpx.Timeout(5, read=0.05))
        with pytest.raises(httpx.ConnectError, match="an internal address") as caught:
            http.get("http://127.0.0.2/")
        assert isinstance(caught.value.__cause__, PolicyError)
        with pytest.raises(httpx.UnsupportedProtocol):
            http.get("ftp://127.0.0.1/")


def test_an_error_in_the_callers_body_is_the_callers() -> None:
    def broken() -> Iterator[bytes]:
        yield b"a beginning"
        raise ZeroDivisionError

    with echo_thread() as server, client() as http:
        with pytest.raises(ZeroDivisionError):
            http.post(server.url, content=broken())
        assert http.post(server.url, content=b"next").content == b"next"


def test_one_client_serves_several_threads() -> None:
    with echo_thread() as server, client() as http, ThreadPoolExecutor(8) as threads:
        bodies = [f"{number}".encode() for number in range(64)]
        responses = [*threads.map(lambda body: http.post(server.url, content=body).content, bodies)]
        assert responses == bodies
        assert server.connections <= 8


def test_closing_ends_the_thread_and_what_it_was_reading() -> None:
    def threads() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name == "imgfetch transport"]

    with echo_thread() as server:
        http = client()
        response = http.send(http.build_request("GET", f"{server.url}/stall"), stream=True)
        assert threads()
        http.close()
        assert not threads()
        response.close()
    client().close()


def test_a_thread_that_gets_no_event_loop_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> asyncio.AbstractEventLoop:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(asyncio.events, "new_event_loop", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        LoopThread("test")


def test_a_cache_answers_the_second_request(tmp_path: Path) -> None:
    with Origin() as origin:
        url = origin.route("/a", whole(WEBP, cache_control="max-age=60"))
        with httpx.Client(transport=CachingTransport(tmp_path / "cache", allow_hosts=LOCAL)) as http:
            first, second = http.get(url), http.get(url)
        assert first.content == second.content == WEBP
        assert [each.extensions["imgfetch"]["origin"] for each in (first, second)] == ["fetched", "cached"]
        assert second.extensions["imgfetch"]["path"].read_bytes() == WEBP
        assert origin.asked() == 1


def test_a_transport_that_is_not_asynchronous_is_refused(tmp_path: Path) -> None:
    with (
        httpx.HTTPTransport() as transport,
        pytest.raises(InputError, match="no method handle_async_request"),
    ):
        CachingTransport(tmp_path / "cache", transport=transport)  # type: ignore[arg-type] # on purpose


class Interrupted(Exception):
    """Raised by a signal, as KeyboardInterrupt is."""


def signal_when_received(server: Echo) -> None:
    while not server.received:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGALRM)


def test_an_interrupted_request_closes_its_connection() -> None:
    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with echo_thread() as server, client() as http:
            sender = threading.Thread(target=signal_when_received, args=(server,))
            sender.start()
            with pytest.raises(Interrupted):
                http.get(f"{server.url}/stall", timeout=30)
            sender.join()
            while not server.closed.is_set():
                time.sleep(0.01)
            assert http.post(server.url, content=b"next").content == b"next"
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_upload_is_read_no_faster_than_it_is_sent() -> None:
    produced = 0

    def body() -> Iterator[bytes]:
        nonlocal produced
        for _ in range(1_000):
            produced += 1
            yield bytes(65_536)

    with Origin() as origin, client() as http:
        url = origin.route("/a", stall(seconds=9))
        with pytest.raises(httpx.TimeoutException):
            http.post(url, content=body(), timeout=httpx.Timeout(5, read=0.2, write=0.2))
    assert produced < 500
