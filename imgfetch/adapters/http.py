"""HTTP, spoken through httpx's transport API: one request and its response, and nothing clever.

Redirects, retries, cookies and content codings are the engine's and the rules' business. httpx's Client
would add them all, and a good share of the cost of a small download; so the transport is called directly.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import httpcore
import httpx

from imgfetch.adapters.clock import SystemClock
from imgfetch.adapters.dial import GuardedDialler, Line
from imgfetch.errors import (
    CacheError,
    ImgfetchError,
    InputError,
    NetworkError,
    PolicyError,
    Unreachable,
    printable,
)
from imgfetch.model import Head, Reason
from imgfetch.rules import urls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgfetch.model import Ask, Limits


_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Network:
    """By which way requests leave. A `transport` of the caller replaces all the rest, the guard included."""

    allow_hosts: tuple[str, ...] = ()
    """Internal hosts, addresses or networks that may be contacted."""
    proxy: str | None = None
    ca_bundle: str | None = None
    """A file of certificate authorities to trust instead of the usual ones."""
    transport: httpx.AsyncBaseTransport | None = None


class HttpTransport:
    """`ports.Transport` on any `httpx.AsyncBaseTransport`; by default on httpcore, with the address guard.

    A proxy resolves names and dials for us, where the guard cannot see: giving one is trusting it.
    """

    def __init__(self, limits: Limits, network: Network) -> None:
        self._transport = network.transport or _default(limits, network)
        self._limits = limits
        # The name, TCP, TLS, and an answer.
        self._head_timeout = 3 * limits.connect_timeout + limits.read_timeout
        self._timeout = {
            "connect": limits.connect_timeout,
            "read": limits.read_timeout,
            "write": limits.read_timeout,
            "pool": limits.total_timeout,
        }

    @asynccontextmanager
    async def send(self, ask: Ask) -> AsyncIterator[HttpReply]:
        """Send one GET and give its response while the block lasts."""
        try:
            request = httpx.Request(
                "GET", ask.url, headers=_encoded(ask.headers), extensions={"timeout": self._timeout}
            )
            # Each read has its own time limit; a head that comes byte by byte would never exceed it.
            async with asyncio.timeout(self._head_timeout):
                response = await self._transport.handle_async_request(request)
        except TimeoutError as error:
            late = f"connected, but no whole head of an answer within {self._head_timeout:g} s"
            raise NetworkError(Reason.TIMEOUT, late) from error
        except _LIBRARY_ERRORS as error:
            raise _head_error(error, self._limits) from error
        try:
            _check_turns(response.extensions.get("network_stream"))
            yield HttpReply(response, ask.url)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Drop every connection."""
        await self._transport.aclose()


class HttpReply:
    """`ports.Reply` on an httpx response."""

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
        """Give the body as the origin sent it."""
        received = 0
        stream = self._response.stream  # not aiter_raw(): that gives nothing of a body that was there at once
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 (an asynchronous transport gave it)
        try:
            async for chunk in stream:
                for start in range(0, len(chunk), _PIECE):
                    piece = chunk[start : start + _PIECE]
                    received += len(piece)
                    yield piece
        except _LIBRARY_ERRORS as error:
            raise _body_error(error, received, self.head.get("content-length")) from error


def _check_turns(line: object) -> None:
    """Refuse an answer that was there before the question, and note that the head is in.

    It is what followed the answer before on the same connection, and h11 has kept it: nobody knows whose
    image it is. Its body is not read, so the connection is dropped.
    """
    if isinstance(line, Line):
        if not line.received:
            raise NetworkError(Reason.PROTOCOL, "an answer came before it was asked for")
        line.answered = True


def _encoded(headers: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    # Field values are bytes; what a caller writes beyond ASCII goes as UTF-8 (RFC 9110 §5.5).
    return [(name.encode("ascii", "replace"), value.encode("utf-8", "replace")) for name, value in headers]


def _default(limits: Limits, network: Network) -> httpx.AsyncBaseTransport:
    context = _trust(network.ca_bundle)
    if network.proxy is not None:
        try:
            return httpx.AsyncHTTPTransport(verify=context, proxy=network.proxy)
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            shown = urls.redact(network.proxy)
            raise InputError(Reason.BAD_INPUT, f"not a proxy that can be used: {error}", shown) from error
    return _GuardedTransport(
        httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=limits.jobs,
            max_keepalive_connections=limits.jobs,
            keepalive_expiry=15.0,
            network_backend=GuardedDialler(network.allow_hosts, SystemClock().elapsed),
        )
    )


@cache  # reading what the system trusts takes longer than a small download
def _trust(ca_bundle: str | None) -> ssl.SSLContext:
    try:
        return (
            httpx.create_ssl_context() if ca_bundle is None else ssl.create_default_context(cafile=ca_bundle)
        )
    except OSError as error:  # ssl.SSLError is one, for a file without certificates
        why = error.strerror if not isinstance(error, ssl.SSLError) else "no certificate is in it"
        raise InputError(
            Reason.BAD_INPUT,
            f"not a file of certificate authorities: {why}",
            printable(ca_bundle or "SSL_CERT_FILE or SSL_CERT_DIR"),
        ) from error


class _GuardedTransport(httpx.AsyncBaseTransport):
    """What `httpx.AsyncHTTPTransport` does, on a pool of ours: its own takes no network backend."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._pool.handle_async_request(
            httpcore.Request(
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
        )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Stream(response),
            extensions={"network_stream": response.extensions["network_stream"]},
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.aiter_stream()

    async def aclose(self) -> None:
        await self._response.aclose()


# ---------------------------------------------------------------------------------------------------
# What goes wrong, in our words. A plugged-in transport raises httpx's exceptions, the default httpcore's.

_LIBRARY_ERRORS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    ssl.SSLError,  # after the handshake, where a proxy or a transport of the caller's dials
    UnicodeError,  # a host that IDNA cannot encode
)


def _head_error(error: Exception, limits: Limits) -> ImgfetchError:
    """What went wrong before the response's head was in."""
    match error:
        case httpx.ConnectTimeout() | httpcore.ConnectTimeout():
            return Unreachable(Reason.TIMEOUT, f"no connection within {limits.connect_timeout:g} s")
        case httpx.TimeoutException() | httpcore.TimeoutException():
            return NetworkError(Reason.TIMEOUT, f"connected, but no answer within {limits.read_timeout:g} s")
        case httpx.ConnectError() | httpcore.ConnectError() | httpx.ProxyError() | httpcore.ProxyError():
            refused = _cause(error, ssl.SSLError)
            if refused is not None:
                return NetworkError(Reason.TLS, f"no TLS connection: {_why(refused)}", hint=_hint(refused))
            refusal = _cause(error, OSError)
            if refusal is not None and refusal.errno in (errno.EMFILE, errno.ENFILE):
                hint = "lower --jobs, or raise the limit with ulimit -n"
                return CacheError(Reason.IO, "too many open files", hint=hint)
            return Unreachable(Reason.CONNECT, f"cannot connect: {_why(_cause(error, OSError) or error)}")
        case (
            httpx.InvalidURL() | httpx.UnsupportedProtocol() | httpcore.UnsupportedProtocol() | UnicodeError()
        ):
            return PolicyError(Reason.BAD_URL, f"not a URL that can be asked for: {error}")
        case httpx.RemoteProtocolError() | httpcore.RemoteProtocolError() if "disconnected" in str(error):
            return NetworkError(Reason.RESET, "the connection was closed before an answer came")
        case httpx.ProtocolError() | httpcore.ProtocolError():
            return NetworkError(Reason.PROTOCOL, f"not HTTP as it should be: {error}")
        case _:
            broken = _cause(error, ssl.SSLError)
            if broken is not None:
                return NetworkError(Reason.RESET, f"TLS broke off before an answer came: {_why(broken)}")
            return NetworkError(Reason.RESET, "the connection was reset before an answer came")


def _body_error(error: Exception, received: int, length: str | None) -> ImgfetchError:
    """What went wrong in the middle of a body."""
    of = (
        f" of {int(length):,}"
        if length and length.isascii() and length.isdigit() and len(length) < 20
        else ""
    )
    got = f"got {received:,}{of} bytes"
    match error:
        case httpx.TimeoutException() | httpcore.TimeoutException():
            return NetworkError(Reason.TIMEOUT, f"{got}, then silence")
        case httpx.RemoteProtocolError() | httpcore.RemoteProtocolError() if "closed" not in str(error):
            return NetworkError(Reason.PROTOCOL, f"{got}, then not HTTP as it should be: {error}")
        case _:
            broken = _cause(error, ssl.SSLError)
            ended = "the connection ended" if broken is None else f"TLS broke off: {_why(broken)}"
            return NetworkError(Reason.INCOMPLETE, f"{got}, then {ended}")


T = TypeVar("T", bound=BaseException)


def _cause(error: BaseException, kind: type[T]) -> T | None:
    """The innermost exception of a kind that led to `error`."""
    found: T | None = None
    link: BaseException | None = error
    while link is not None:
        found = link if isinstance(link, kind) else found
        link = link.__cause__ or link.__context__
    return found


def _hint(error: ssl.SSLError) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "name the certificate authority to trust with --ca-bundle"
    return "is this a port for plain http:?" if error.reason == "WRONG_VERSION_NUMBER" else None


def _why(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        why = os.strerror(error.errno)  # asyncio puts words of its own in its place
        return why[0].lower() + why[1:]
    return str(error) or type(error).__name__
