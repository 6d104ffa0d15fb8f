"""The methods of `httpx.BaseTransport` for an asynchronous transport, so that `httpx.Client` can use it.

handle_request ─▶ handle_async_request in the event loop of a thread ─▶ a body that is read from there
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

T = TypeVar("T")


class BlockingTransport(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """A transport for `httpx.AsyncClient` or for `httpx.Client`: one object serves one of them.

    The first request of an `httpx.Client` starts a thread with an event loop; `close` ends it.
    """

    def __init__(self) -> None:
        self._thread: _LoopThread | None = None
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

    def _started(self) -> _LoopThread:
        with self._starting:
            if self._thread is None:
                self._thread = _LoopThread()
            return self._thread


class _LoopThread:
    """An event loop in a daemon thread: a program that closes no transport can still end."""

    def __init__(self) -> None:
        self._is_running = threading.Event()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(),), daemon=True, name="imgfetch transport"
        )
        self._thread.start()
        self._is_running.wait()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop; return what it returns. An interrupted caller cancels it."""
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:  # the loop is closed
            work.close()
            raise
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def end(self) -> None:
        """Cancel what is left, and end the thread."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    @property
    def has_ended(self) -> bool:
        """Return whether the loop is closed."""
        return self._loop.is_closed()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._is_running.set()
        await self._end.wait()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpx.Response, thread: _LoopThread) -> None:
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
