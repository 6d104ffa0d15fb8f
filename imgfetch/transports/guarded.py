"""The address guard for any httpx code: a transport that dials as our own connections do.

request ─▶ httpcore's pool ─▶ an idle connection, or a new one
                                                  └─▶ Dialler.reach: resolve ─▶ guard.judge ─▶ connect
"""

from __future__ import annotations

import errno
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpcore
import httpx

from imgfetch.errors import ImgfetchError, several
from imgfetch.http.connect import Connector, why
from imgfetch.http.tls import trust
from imgfetch.model.result import ErrorKind
from imgfetch.system.clock import SystemClock
from imgfetch.transports.adapter import cause_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Iterator

    SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class GuardedTransport(httpx.AsyncBaseTransport):
    """An `httpx.AsyncBaseTransport` that connects to no internal address. Needs asyncio.

    Every address that a name resolves to is judged when a connection is made, and the very address that
    was judged is dialled; so no redirect leads past it, and no name that answers differently the next time.
    `allow_hosts` names internal hosts, addresses or networks that may be contacted; `ca_bundle` is a file
    of certificate authorities to trust instead of the usual ones; `limits` are of its connections, and
    those of `httpx.AsyncClient` where none are given. It speaks HTTP/1.1, and knows no proxy.

    Raises httpx's exceptions. For a refused address it is `httpx.ConnectError`, and its cause `PolicyError`.
    """

    def __init__(
        self,
        allow_hosts: Collection[str] = (),
        *,
        ca_bundle: str | None = None,
        limits: httpx.Limits | None = None,
    ) -> None:
        limits = limits or httpx.Limits(max_connections=100, max_keepalive_connections=20)
        self._backend = _GuardedBackend(several(allow_hosts, "allow_hosts"))
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trust(ca_bundle),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=self._backend,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and give its response as soon as the head is in."""
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _translated():
            response = await self._pool.handle_async_request(asked)
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Drop every connection."""
        with _translated():
            await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for piece in self._response.aiter_stream():
                yield piece

    async def aclose(self) -> None:
        with _translated():
            await self._response.aclose()


@contextmanager
def _translated() -> Iterator[None]:
    """What httpcore raises, as httpx names it."""
    try:
        yield
    except _HTTPCORES as error:
        ours = error.__context__  # the pool has taken the cause away
        raise getattr(httpx, type(error).__name__)(str(error)) from (
            ours if isinstance(ours, ImgfetchError) else error
        )
    except ssl.SSLError as error:  # httpcore translates it in the handshake, and not after
        raise httpx.ReadError(why(error)) from error


_HTTPCORES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
"""The roots of httpcore's exceptions; httpx has each under the same name."""


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Makes httpcore's connections. It sits below redirects and connection reuse: there is no other way."""

    LONGEST = 86_400.0
    """Seconds for a connection whose caller sets no limit."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._dialler = Connector(allowed, SystemClock().elapsed)
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's signature)
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        async def connected(address: str, port: int, seconds: float) -> httpcore.AsyncNetworkStream:
            try:
                return await self._backend.connect_tcp(address, port, seconds, local_address, socket_options)
            except httpcore.ConnectTimeout as error:
                raise TimeoutError from error
            except httpcore.ConnectError as error:
                refusal = cause_of(error, OSError)
                raise OSError((refusal and refusal.errno) or errno.EIO, str(error)) from error

        try:
            return await self._dialler.reach(
                host, port, self.LONGEST if timeout is None else timeout, connected
            )
        except ImgfetchError as error:
            late = error.kind is ErrorKind.TIMEOUT
            raise (httpcore.ConnectTimeout if late else httpcore.ConnectError)(str(error)) from error
