"""`PooledTransport` in any httpx program: which addresses it connects to, and which requests it sends."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest
import trustme

from echo import echo
from imgfetch import (
    CachingTransport,
    Client,
    GuardedTransport,
    InputError,
    NetworkError,
    PolicyError,
    PooledTransport,
)
from imgfetch.http import connect
from imgfetch.http.connect import Connector
from origin import Origin, redirect, reset, whole
from pictures import encoded
from resolving import Resolver
from test_faults import certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio

WEBP = encoded("webp", 96, 54)
LOCAL = ["127.0.0.1"]


def resolving(resolver: Resolver, transport: PooledTransport) -> PooledTransport:
    """Let a transport look names up with `resolver`."""
    connector = transport._pool._connector
    transport._pool._connector = Connector(connector._allowed, connector._elapsed, resolver.look_up)
    return transport


async def refuses(
    url: str,
    words: str,
    *,
    allow: list[str] | None = None,
    kind: str = "blocked",
    resolver: Resolver | None = None,
) -> None:
    transport = PooledTransport(allow or ())
    if resolver is not None:
        resolving(resolver, transport)
    async with httpx.AsyncClient(transport=transport, follow_redirects=True) as http:
        with pytest.raises(httpx.ConnectError, match=words) as caught:
            await http.get(url)
    assert isinstance(caught.value.__cause__, PolicyError)
    assert caught.value.__cause__.kind == kind
    assert caught.value.request is not None


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "10.1.2.3", "169.254.169.254", "[::ffff:127.0.0.1]", "0x7f000002", "2130706433"],
)
async def test_an_internal_address_is_refused_in_any_spelling(host: str) -> None:
    await refuses(f"http://{host}/", r'an internal address; allow it with allow_hosts=\["')


async def test_a_port_that_browsers_block_is_refused() -> None:
    await refuses("http://127.0.0.1:6667/", "port 6667 is blocked", allow=LOCAL, kind="bad_url")
    with Origin() as origin:
        url = origin.route("/a", redirect("http://127.0.0.1:25/"))
        await refuses(url, "port 25 is blocked", allow=LOCAL, kind="bad_url")


async def test_a_name_with_an_internal_address_is_refused() -> None:
    for url, words, *addresses in (
        ("http://h.example/", "h.example is at 10.0.0.7, an internal address", "10.0.0.7"),
        ("https://h.example/", "h.example is at 127.0.0.1, an internal address", "8.8.8.8", "127.0.0.1"),
    ):
        await refuses(url, words, resolver=Resolver(tuple(addresses)))


async def test_a_redirect_to_an_internal_address_is_refused() -> None:
    with Origin() as origin, Origin() as internal:
        aside = internal.url.replace("127.0.0.1", "127.0.0.2")
        url = origin.route("/a", redirect(f"{aside}/secret"))
        await refuses(url, "127.0.0.2 is an internal address", allow=LOCAL)
        assert (origin.asked(), internal.asked()) == (1, 0)


async def test_the_address_that_was_judged_is_connected_to() -> None:
    async with echo() as server:
        resolver = Resolver(("127.0.0.1",), ("127.0.0.9",))
        async with httpx.AsyncClient(transport=resolving(resolver, PooledTransport(LOCAL))) as http:
            url = server.url.replace("127.0.0.1", "h.example")
            assert (await http.post(url, content=b"here")).content == b"here"
        assert (resolver.asked, server.connections) == (["h.example"], 1)


async def test_new_addresses_of_a_name_are_judged_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    resolver = Resolver(("127.0.0.1",), ("127.0.0.9",))
    async with httpx.AsyncClient(transport=resolving(resolver, PooledTransport(LOCAL))) as http:
        with pytest.raises(httpx.ConnectError, match="cannot connect: connection refused"):
            await http.get(f"http://h.example:{port}/")
        with pytest.raises(httpx.ConnectError, match=r"h.example is at 127.0.0.9, an internal address"):
            await http.get(f"http://h.example:{port}/")


async def test_any_method_is_sent_with_its_body_on_one_connection() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"in "
        yield b"pieces"

    async with echo() as server, httpx.AsyncClient(transport=PooledTransport(LOCAL)) as http:
        for method, sent in (("POST", b"x" * 300_000), ("PUT", b"y"), ("DELETE", None)):
            response = await http.request(method, server.url, content=sent)
            assert (response.content, response.headers["x"]) == (sent or b"", method)
        assert (await http.post(server.url, content=pieces())).content == b"in pieces"
        assert server.connections == 1


async def test_the_limit_of_connections_holds() -> None:
    async with echo() as server:
        transport = PooledTransport(LOCAL, limits=httpx.Limits(max_connections=1))
        async with httpx.AsyncClient(transport=transport) as http:
            await asyncio.gather(*(http.post(server.url, content=b"x") for _ in range(5)))
        assert server.connections == 1
        await server.closed.wait()


async def test_tls_is_checked_against_the_name_and_the_given_authorities(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with Origin() as origin:
        origin.route("/a", whole(WEBP))
        url = origin.door(tls=certificate("h.example", authority=authority)).replace("127.0.0.1", "h.example")
        resolver = Resolver(("127.0.0.1",))
        transport = resolving(resolver, PooledTransport(LOCAL, ca_bundle=str(tmp_path / "ca.pem")))
        async with httpx.AsyncClient(transport=transport) as http:
            assert (await http.get(f"{url}/a")).content == WEBP
            with pytest.raises(httpx.ConnectError, match="(?i)hostname mismatch"):
                await http.get(f"{url.replace('h.example', 'i.example')}/a")
        async with httpx.AsyncClient(transport=resolving(resolver, PooledTransport(LOCAL))) as http:
            with pytest.raises(httpx.ConnectError, match="local issuer"):
                await http.get(f"{url}/a")
    with pytest.raises(InputError, match="not a file of certificate authorities"):
        PooledTransport(ca_bundle=str(tmp_path / "none.pem"))


async def test_cancelling_a_request_closes_its_connection() -> None:
    async with echo() as server, httpx.AsyncClient(transport=PooledTransport(LOCAL)) as http:
        begun = asyncio.Event()

        async def read() -> None:
            async with http.stream("POST", f"{server.url}/stall", content=b"a beginning") as response:
                async for _ in response.aiter_bytes():
                    begun.set()

        reading = asyncio.create_task(read())
        await begun.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await server.closed.wait()


async def test_errors_are_raised_as_those_of_httpx() -> None:
    resolver = Resolver(socket.gaierror(-2, "Name or service not known"))
    transport = resolving(resolver, PooledTransport(LOCAL))
    async with echo() as server, httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(f"{server.url}/stall", timeout=httpx.Timeout(5, read=0.05))
        with pytest.raises(httpx.ConnectError, match="cannot find the host h.example"):
            await http.get("http://h.example/")


async def test_a_connection_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr(connect, "_open_socket", never)
    async with httpx.AsyncClient(transport=PooledTransport()) as http:
        with pytest.raises(httpx.ConnectTimeout, match="no connection within 5 s"):
            await http.get("http://8.8.8.8/", timeout=5)
        with pytest.raises(httpx.ConnectTimeout):
            await http.get("http://8.8.8.8/", timeout=None)


@pytest.mark.parametrize("cached", [False, True], ids=["alone", "within a cache"])
async def test_a_client_reports_its_errors_like_those_of_its_own_connections(
    tmp_path: Path, *, cached: bool
) -> None:
    def client(name: str, *allow: str) -> Client:
        dialling = resolving(
            Resolver(socket.gaierror(-2, "Name or service not known")), PooledTransport(allow)
        )
        within = CachingTransport(tmp_path / f"{name} within", transport=dialling) if cached else dialling
        return Client(tmp_path / name, transport=within)

    with Origin() as origin:
        url = origin.route("/a", whole(WEBP))
        async with client("open", "127.0.0.1") as allowed:
            assert (await allowed.get(url)).path.read_bytes() == WEBP
        async with client("shut") as refused:
            with pytest.raises(PolicyError, match=r"127.0.0.1 is an internal address") as caught:
                await refused.get(url)
            assert (caught.value.kind, caught.value.attempts, origin.asked()) == ("blocked", 1, 1)
            with pytest.raises(NetworkError, match="cannot find the host h.example") as lost:
                await refused.get("http://h.example/a")
            assert lost.value.kind == "dns"


async def test_a_caching_transport_sends_its_requests_by_it(tmp_path: Path) -> None:
    with Origin() as origin:
        url = origin.route("/a", whole(WEBP, cache_control="max-age=60"))
        async with httpx.AsyncClient(transport=CachingTransport(tmp_path / "cache")) as http:
            with pytest.raises(httpx.ConnectError, match="an internal address"):
                await http.get(url)
        transport = CachingTransport(tmp_path / "cache", allow_hosts=LOCAL)
        async with httpx.AsyncClient(transport=transport) as http:
            assert (await http.get(url)).content == WEBP
        assert origin.asked() == 1
        stale = encoded("png", 9, 9)
        url = origin.route("/b", whole(stale, cache_control="max-age=0"))
        async with httpx.AsyncClient(
            transport=CachingTransport(tmp_path / "cache", allow_hosts=LOCAL)
        ) as http:
            assert (await http.get(url)).content == stale
        async with httpx.AsyncClient(transport=CachingTransport(tmp_path / "cache")) as http:
            with pytest.raises(httpx.ConnectError, match="an internal address"):  # nor is it served stale
                await http.get(url)
    with pytest.raises(InputError, match="a transport connects by itself; give allow_hosts to it"):
        CachingTransport(tmp_path, transport=PooledTransport(), allow_hosts=LOCAL)


def test_the_earlier_name_is_the_same_class() -> None:
    assert GuardedTransport is PooledTransport


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(65_536)


async def two_pieces() -> AsyncIterator[bytes]:
    yield b"in "
    yield b"pieces"


@pytest.mark.parametrize(
    ("method", "body", "repeated"),
    [
        ("GET", None, True),
        ("HEAD", None, True),
        ("PUT", lambda: b"whole", True),
        ("PUT", two_pieces, False),
        ("POST", lambda: b"whole", False),
        ("POST", None, False),
        ("PATCH", lambda: b"whole", False),
    ],
)
async def test_only_an_idempotent_request_that_can_be_read_again_is_repeated(
    method: str, body: Callable[[], bytes | AsyncIterator[bytes]] | None, *, repeated: bool
) -> None:
    async with echo() as server, httpx.AsyncClient(transport=PooledTransport(LOCAL)) as http:
        await http.get(server.url)
        request = http.build_request(method, f"{server.url}/close", content=body and body())
        if repeated:
            assert (await http.send(request)).headers["x"] == method
            assert (server.connections, len(server.received)) == (2, 3)
        else:
            with pytest.raises(httpx.RemoteProtocolError, match="closed before a response came"):
                await http.send(request)
            assert (server.connections, len(server.received)) == (1, 2)


async def test_a_head_request_leaves_the_connection_usable() -> None:
    async with echo() as server, httpx.AsyncClient(transport=PooledTransport(LOCAL)) as http:
        for _ in range(3):
            assert (await http.head(server.url)).headers["x"] == "HEAD"
        assert server.connections == 1


async def test_a_connection_whose_response_was_not_read_is_closed() -> None:
    async with echo() as server, httpx.AsyncClient(transport=PooledTransport(LOCAL)) as http:
        async with http.stream("POST", server.url, content=bytes(3_000_000)) as response:
            assert response.status_code == 200
        assert (await http.post(server.url, content=b"next")).content == b"next"
        assert server.connections == 2


async def test_a_body_of_another_length_than_its_header_is_the_callers_error() -> None:
    async with echo() as server, httpx.AsyncClient(transport=PooledTransport(LOCAL)) as http:
        for length in ("5", "50"):
            with pytest.raises(httpx.LocalProtocolError, match="Too (much|little) data"):
                await http.post(server.url, content=two_pieces(), headers={"content-length": length})
        with pytest.raises(httpx.LocalProtocolError, match="a tunnel"):
            await http.request("CONNECT", server.url)
        assert (await http.post(server.url, content=two_pieces())).content == b"in pieces"


@asynccontextmanager
async def serving(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with suppress(ConnectionError):
            await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_response_before_the_end_of_the_body_ends_the_upload() -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 x\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large")
        await writer.drain()

    async with serving(refuse) as url, httpx.AsyncClient(transport=PooledTransport(LOCAL)) as http:
        response = await http.post(url, content=endless())
        assert (response.status_code, response.content) == (413, b"too large")


async def test_a_server_that_stops_reading_is_given_up() -> None:
    finished = asyncio.Event()

    async def wait(*_: object) -> None:
        await finished.wait()

    async with serving(wait) as url, httpx.AsyncClient(transport=PooledTransport(LOCAL)) as http:
        with pytest.raises(httpx.WriteTimeout):
            await http.post(url, content=endless(), timeout=httpx.Timeout(5, write=0.1))
        finished.set()


async def test_interim_responses_are_skipped_and_a_body_may_end_with_the_connection() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: caf\xe9\r\n\r\nall of it")

    async with serving(answer) as url, httpx.AsyncClient(transport=PooledTransport(LOCAL)) as http:
        response = await http.post(url, content=b"x", headers={"expect": "100-continue"})
        assert (response.content, response.headers["x"]) == (b"all of it", "café")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", httpx.RemoteProtocolError),
        (b"SSH-2.0-x\r\n", httpx.RemoteProtocolError),
        (b"", httpx.RemoteProtocolError),
    ],
)
async def test_a_response_that_is_not_http_or_not_whole(data: bytes, kind: type[Exception]) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    async with serving(answer) as url, httpx.AsyncClient(transport=PooledTransport(LOCAL)) as http:
        with pytest.raises(kind):
            await http.post(url, content=b"x")


async def test_a_connection_that_is_reset_is_a_read_error() -> None:
    with Origin() as origin:
        async with httpx.AsyncClient(transport=PooledTransport(LOCAL)) as http:
            for path, data in (("/a", b""), ("/b", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")):
                with pytest.raises(httpx.ReadError):
                    await http.get(origin.route(path, reset(data)))


async def test_a_large_body_is_sent_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    body = bytes(range(256)) * 8_000
    async with echo(certificate("127.0.0.1", authority=authority)) as server:
        transport = PooledTransport(LOCAL, ca_bundle=str(tmp_path / "ca.pem"))
        async with httpx.AsyncClient(transport=transport) as http:
            for _ in range(2):
                assert (await http.post(server.url, content=body)).content == body
        assert server.connections == 1


async def test_connections_to_one_address_are_limited_and_waited_for() -> None:
    async with echo() as server, httpx.AsyncClient(transport=PooledTransport(LOCAL, per_address=1)) as http:
        await asyncio.gather(*(http.post(server.url, content=b"x") for _ in range(9)))
        assert server.connections == 1


@pytest.mark.parametrize(
    "transport",
    [
        lambda: PooledTransport(LOCAL, per_address=1),
        lambda: PooledTransport(LOCAL, limits=httpx.Limits(max_connections=1)),
    ],
    ids=["per address", "in all"],
)
async def test_waiting_for_a_connection_has_a_timeout(transport: Callable[[], PooledTransport]) -> None:
    async with echo() as server, httpx.AsyncClient(transport=transport()) as http:
        async with http.stream("GET", f"{server.url}/stall"):
            with pytest.raises(httpx.PoolTimeout, match="no connection came free within 0.05 s"):
                await http.get(server.url, timeout=httpx.Timeout(5, pool=0.05))
        assert (await http.get(server.url)).status_code == 200


async def test_closing_ends_requests_under_way() -> None:
    async with echo() as server:
        http = httpx.AsyncClient(transport=PooledTransport(LOCAL))
        reading = asyncio.create_task(http.post(f"{server.url}/stall", content=b"a beginning"))
        while not server.received:
            await asyncio.sleep(0.001)
        await http.aclose()
        with pytest.raises(httpx.ReadError):
            await reading


async def test_httpx_follows_a_redirect_with_the_body() -> None:
    with Origin() as origin:
        async with echo() as server:
            url = origin.route("/a", redirect(server.url, 307))
            async with httpx.AsyncClient(transport=PooledTransport(LOCAL), follow_redirects=True) as http:
                assert (await http.post(url, content=b"")).headers["x"] == "POST"
