"""Transports of other libraries with httpx's methods: in a `Client`, and below a `CachingTransport`."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from imgfetch import CachingTransport, Client, InputError, NetworkError
from imgfetch.transports.foreign import as_httpx
from origin import Origin, cut, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

WEBP = encoded("webp", 96, 54)


class ConnectTimeout(Exception):
    """The exception of a library of its own."""


class Response:
    """A response with the attributes of httpx's."""

    def __init__(self, body: bytes) -> None:
        self.status_code = 200
        self.headers = SimpleNamespace(raw=[(b"Content-Length", b"%d" % len(body))])
        self.extensions: dict[str, Any] = {}
        self.stream = self._pieces(body)
        self.closed = False

    async def _pieces(self, body: bytes) -> AsyncIterator[bytes]:
        yield body

    async def aclose(self) -> None:
        self.closed = True


class Transport:
    """A transport with the methods of httpx's, and none of its classes."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = [*answers]
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> Response:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        self.closed = True


async def test_a_client_sends_by_a_transport_that_only_has_the_methods(tmp_path: Path) -> None:
    response = Response(WEBP)
    transport = Transport(ConnectTimeout("late"), response)
    async with Client(tmp_path / "cache", transport=transport) as client:
        image = await client.get("https://h.example/a.webp")
    assert image.path.read_bytes() == WEBP
    assert response.closed
    assert transport.closed


async def test_an_exception_becomes_that_of_httpx_with_the_same_name() -> None:
    for raised, expected in ((ConnectTimeout("late"), httpx.ConnectTimeout), (KeyError("other"), KeyError)):
        with pytest.raises(expected) as caught:
            await as_httpx(Transport(raised)).handle_async_request(httpx.Request("GET", "http://h.example/"))
        assert raised in (caught.value, caught.value.__cause__)


def test_an_object_without_the_methods_is_refused() -> None:
    with pytest.raises(InputError, match="transport: object has no method handle_async_request"):
        as_httpx(object())  # type: ignore[arg-type] # on purpose
    transport = httpx.AsyncHTTPTransport()
    assert as_httpx(transport) is transport
    asyncio.run(transport.aclose())


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def test_httpx2_sends_for_a_client_and_below_a_cache(tmp_path: Path) -> None:
    httpx2 = pytest.importorskip("httpx2")
    with Origin() as origin:
        url = origin.route("/a", whole(WEBP, cache_control="max-age=60"))
        async with Client(tmp_path / "a", transport=httpx2.AsyncHTTPTransport()) as client:
            assert (await client.get(url)).path.read_bytes() == WEBP
            with pytest.raises(NetworkError, match="then the connection ended"):
                await client.get(origin.route("/cut", cut(WEBP, at=20)))
            with pytest.raises(NetworkError, match="cannot connect"):
                await client.get(f"http://127.0.0.1:{closed_port()}/a")
        cached = CachingTransport(tmp_path / "b", transport=httpx2.AsyncHTTPTransport())
        async with httpx.AsyncClient(transport=cached) as http:
            for expected in ("fetched", "cached"):
                response = await http.get(url)
                assert response.content == WEBP
                assert response.extensions["imgfetch"]["origin"] == expected
            posted = await http.post(url, content=b"a body")
            assert posted.status_code == 200
