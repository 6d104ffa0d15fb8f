"""The methods of `httpx.BaseTransport` for an asynchronous transport, so that `httpx.Client` can use it.

handle_request ─▶ handle_async_request in the event loop of a thread ─▶ a body that is read from there
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import httpx

from imgfetch.system.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class BlockingTransport(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """A transport for `httpx.AsyncClient` or for `httpx.Client`: one object serves one of them.

    The first request of an `httpx.Client` starts a thread with an event loop; `close` ends it.
    """

    def __init__(self) -> None:
        self._thread: LoopThread | None = None
        self._starting = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return its response as soon as the head is in."""
        thread = self._started()
        response = thread.run(self.handle_async_request(_asynchronous(request)))
        return httpx.Response(
            response.status_code,
            headers=response.headers.raw,
            stream=_Body(response, thread),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """Close the transport, and end its thread."""
        thread = self._started()
        try:
            thread.run(self.aclose())
        finally:
            self._thread = None
            thread.end()

    def _started(self) -> LoopThread:
        with self._starting:
            if self._thread is None:
                self._thread = LoopThread("transport")
            return self._thread


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpx.Response, thread: LoopThread) -> None:
        self._response = response
        self._thread = thread

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._response.stream, httpx.AsyncByteStream)  # noqa: S101 (an asynchronous transport gave it)
        pieces = aiter(self._response.stream)
        while (piece := self._thread.run(_next(pieces))) is not None:
            yield piece

    def close(self) -> None:
        if not self._thread.has_ended:
            self._thread.run(self._response.aclose())


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)


def _asynchronous(request: httpx.Request) -> httpx.Request:
    """Return a request with a body that can be read in an event loop."""
    stream = request.stream
    if isinstance(stream, httpx.AsyncByteStream):
        return request
    return httpx.Request(
        request.method,
        request.url,
        headers=request.headers,
        stream=_InThread(stream),
        extensions=request.extensions,
    )


class _InThread(httpx.AsyncByteStream):
    """Reads the caller's body piece by piece in other threads: it may wait for a file or another program."""

    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = iter(self._stream)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
