"""The engine's transport on httpx's API: a proxy, or a transport that the caller plugs in.

    ports.Transport.send ─▶ httpx.Request ─▶ handle_async_request ─▶ Head and body
                                                      └─ httpx's exception ─▶ `imgfetch.errors`

Both connect without our address guard; a `PooledTransport` that is plugged in has it.

Redirects, retries, cookies and content codings are the work of the engine and the rules. httpx's Client
would add them all, at a good share of the cost of a small download; so its transports are called directly.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from contextlib import asynccontextmanager
from copy import copy
from typing import TYPE_CHECKING, TypeVar

import httpx

from imgfetch.errors import (
    ImgfetchError,
    InputError,
    NetworkError,
    PolicyError,
    Unreachable,
)
from imgfetch.http.connect import tls_hint, why
from imgfetch.http.plain import encoded
from imgfetch.http.pool import progress
from imgfetch.http.resolver import too_many_open_files
from imgfetch.model.request import Head
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http import urls
from imgfetch.transports.foreign import as_httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgfetch.model.request import Limits, Request
    from imgfetch.transports.foreign import AsyncTransport


_PIECE = 64 * 1024


class HttpTransport:
    """`ports.Transport` on any `httpx.AsyncBaseTransport`, or one of its shape."""

    def __init__(self, limits: Limits, transport: AsyncTransport) -> None:
        self._transport = as_httpx(transport)
        self._limits = limits
        # A head takes the name, TCP, TLS and a response.
        self._head_timeout = 3 * limits.connect_timeout + limits.read_timeout
        self._timeout = {
            "connect": limits.connect_timeout,
            "read": limits.read_timeout,
            "write": limits.read_timeout,
            "pool": limits.total_timeout,
        }

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[HttpResponse]:
        """Send one GET and give its response while the block lasts."""
        try:
            theirs = httpx.Request(
                "GET", request.url, headers=encoded(request.headers), extensions={"timeout": self._timeout}
            )
            # Each read has its own time limit; a head that comes byte by byte would never exceed it.
            async with asyncio.timeout(self._head_timeout):
                response = await self._transport.handle_async_request(theirs)
        except TimeoutError as error:
            late = f"connected, but no complete response head within {self._head_timeout:g} s"
            raise NetworkError(ErrorKind.TIMEOUT, late, limit="read_timeout") from error
        except _LIBRARY_ERRORS as error:
            raise _head_error(error, self._limits) from error
        try:
            yield HttpResponse(response, request.url)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.aclose()


class HttpResponse:
    """`ports.Response` on an httpx response."""

    def __init__(self, response: httpx.Response, url: str) -> None:
        self._response = response
        self.head = Head(
            url,
            response.status_code,
            tuple(
                (name.decode("latin-1").lower(), value.decode("latin-1"))
                for name, value in response.headers.raw
            ),
        )

    async def body(self) -> AsyncIterator[bytes]:
        """Return the body as the origin sends it."""
        received = 0
        stream = self._response.stream  # aiter_raw() gives nothing of a body that is already read
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 (an asynchronous transport gave it)
        try:
            async for chunk in stream:
                for start in range(0, len(chunk), _PIECE):
                    piece = chunk[start : start + _PIECE]
                    received += len(piece)
                    yield piece
        except _LIBRARY_ERRORS as error:
            raise _body_error(error, received, self.head.get("content-length")) from error


def through(proxy: str, tls: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    """Make the transport that leads through a proxy. Raises `InputError`."""
    try:
        return httpx.AsyncHTTPTransport(verify=tls, proxy=proxy)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        shown = urls.redact(proxy)
        raise InputError(ErrorKind.BAD_INPUT, f"not a proxy that can be used: {error}", shown) from error


# ---------------------------------------------------------------------------------------------------
# httpx's exceptions as imgfetch's

_LIBRARY_ERRORS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    ssl.SSLError,  # httpx translates none after the handshake
    UnicodeError,  # a host that IDNA cannot encode
)


def _head_error(error: Exception, limits: Limits) -> ImgfetchError:
    """Return the error for an exception that was raised before the response head was in."""
    ours = cause_of(error, ImgfetchError)
    if ours is not None:  # a `PooledTransport` was plugged in
        return copy(ours)  # the original would become the cause of its own cause
    match error:
        case httpx.ConnectTimeout():
            late = f"no connection within {limits.connect_timeout:g} s"
            return Unreachable(ErrorKind.TIMEOUT, late, limit="connect_timeout")
        case httpx.TimeoutException():
            late = f"connected, but no response within {limits.read_timeout:g} s"
            return NetworkError(ErrorKind.TIMEOUT, late, limit="read_timeout")
        case httpx.ConnectError() | httpx.ProxyError():
            refused = cause_of(error, ssl.SSLError)
            if refused is not None:
                return NetworkError(
                    ErrorKind.TLS, f"no TLS connection: {why(refused)}", hint=tls_hint(refused)
                )
            refusal = cause_of(error, OSError)
            if refusal is not None and refusal.errno in (errno.EMFILE, errno.ENFILE):
                return too_many_open_files()
            return Unreachable(ErrorKind.CONNECT, f"cannot connect: {why(cause_of(error, OSError) or error)}")
        case httpx.InvalidURL() | httpx.UnsupportedProtocol() | UnicodeError():
            return PolicyError(ErrorKind.BAD_URL, f"not a URL that can be requested: {error}")
        case httpx.RemoteProtocolError() if "disconnected" in str(error):
            return NetworkError(ErrorKind.RESET, "the connection was closed before a response came")
        case httpx.ProtocolError():
            return NetworkError(ErrorKind.PROTOCOL, f"invalid HTTP response: {error}")
        case _:
            broken = cause_of(error, ssl.SSLError)
            if broken is not None:
                return NetworkError(ErrorKind.RESET, f"TLS broke off before a response came: {why(broken)}")
            return NetworkError(ErrorKind.RESET, "the connection was reset before a response came")


def _body_error(error: Exception, received: int, length: str | None) -> ImgfetchError:
    """Return the error for an exception that was raised in the middle of a body."""
    ours = cause_of(error, ImgfetchError)
    if ours is not None:
        return copy(ours)
    got = progress(received, length)
    match error:
        case httpx.TimeoutException():
            return NetworkError(ErrorKind.TIMEOUT, f"{got}, then silence", limit="read_timeout")
        case httpx.RemoteProtocolError() if "closed" not in str(error):
            return NetworkError(ErrorKind.PROTOCOL, f"{got}, then an invalid HTTP response: {error}")
        case _:
            broken = cause_of(error, ssl.SSLError)
            ended = "the connection ended" if broken is None else f"TLS broke off: {why(broken)}"
            return NetworkError(ErrorKind.INCOMPLETE, f"{got}, then {ended}")


T = TypeVar("T", bound=BaseException)


def cause_of(error: BaseException, kind: type[T]) -> T | None:
    """Return the innermost exception of a kind that led to `error`, itself included; None without one."""
    found: T | None = None
    link: BaseException | None = error
    while link is not None:
        found = link if isinstance(link, kind) else found
        link = link.__cause__ or link.__context__
    return found
