"""A transport of another library with httpx's API, such as httpx2, as an `httpx.AsyncBaseTransport`.

httpx.Request ─▶ the library's Request ─▶ its transport ─▶ its Response ─▶ httpx.Response
                                               └─ its exception ─▶ httpx's of the same name
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import httpx

from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


Foreign: TypeAlias = Any
"""A transport, request, response or module of another library, known by its methods alone."""


class AsyncTransport(Protocol):
    """A transport with the methods of `httpx.AsyncBaseTransport`, of httpx or another library."""

    async def handle_async_request(self, request: Foreign) -> Foreign:
        """Send a request; return its response as soon as the head is in."""

    async def aclose(self) -> None:
        """Close every connection."""


def as_httpx(transport: AsyncTransport) -> httpx.AsyncBaseTransport:
    """Return `transport`, wrapped if it only has the methods of an httpx transport. Raises `InputError`."""
    if isinstance(transport, httpx.AsyncBaseTransport):
        return transport
    if callable(getattr(transport, "handle_async_request", None)):
        return _ForeignTransport(transport)
    raise InputError(
        ErrorKind.BAD_INPUT,
        f"transport: {type(transport).__name__} has no method handle_async_request",
        hint="give an asynchronous transport, for httpx.Client too",
    )


class _ForeignTransport(httpx.AsyncBaseTransport):
    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._library = _library_of(transport)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with _translated():
            response = await self._transport.handle_async_request(self._request(request))
        return httpx.Response(
            response.status_code,
            headers=[*response.headers.raw],
            stream=_Body(response),
            extensions=dict(response.extensions),
        )

    async def aclose(self) -> None:
        await self._transport.aclose()

    def _request(self, request: httpx.Request) -> Foreign:
        if self._library is httpx:
            return request
        framed = "content-length" in request.headers or "transfer-encoding" in request.headers
        return self._library.Request(
            request.method,
            str(request.url),
            headers=request.headers.raw,
            content=_pieces(request) if framed else None,
            extensions=request.extensions,
        )


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: Foreign) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for piece in self._response.stream:
                yield piece

    async def aclose(self) -> None:
        await self._response.aclose()


async def _pieces(request: httpx.Request) -> AsyncIterator[bytes]:
    assert isinstance(request.stream, httpx.AsyncByteStream)  # noqa: S101 (`httpx.AsyncClient` sends no other)
    async for piece in request.stream:
        yield piece


@contextmanager
def _translated() -> Iterator[None]:
    """Raise the exceptions of another library as httpx's of the same name."""
    try:
        yield
    except httpx.HTTPError:
        raise
    except Exception as error:
        for each in type(error).__mro__:
            same = getattr(httpx, each.__name__, None)
            if isinstance(same, type) and issubclass(same, httpx.RequestError):
                raise same(str(error)) from error
        raise


def _library_of(transport: AsyncTransport) -> Foreign:
    """Return the library that a transport derives its `AsyncBaseTransport` from; httpx without one."""
    for each in type(transport).__mro__:
        if each.__name__ == "AsyncBaseTransport":
            library = sys.modules[each.__module__.partition(".")[0]]
            return library if hasattr(library, "Request") else httpx
    return httpx
