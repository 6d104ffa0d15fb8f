"""A loopback origin that serves, cuts, stalls, lies and redirects.

It speaks raw bytes on asyncio streams, so that it can break the protocol. A path is given one answer or
several: each request takes the next, and the last one stays.

    with Origin() as origin:
        origin.route("/a.webp", status(503), cut(image, at=1000), whole(image))
        ...
        assert origin.asked("/a.webp") == 3

Run alone, it serves every fault of `faults.py` under its name, to try any client on:

    python tests/origin.py [PORT]
"""

from __future__ import annotations

import asyncio
import gzip as gzip_module
import re
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import repeat
from threading import Thread
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from types import TracebackType


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""


Answer: TypeAlias = Callable[[asyncio.StreamWriter, Request], Awaitable[bool | None]]
"""Writes a response; true where the connection may serve another request after it."""


@dataclass
class Origin:
    """The origin, on a free port of 127.0.0.1, from entering the context to leaving it."""

    port: int = 0
    """Of the first door; 0 takes any that is free."""
    requests: list[Request] = field(default_factory=list)
    most_at_once: int = 0
    _answers: dict[str, list[Answer]] = field(default_factory=dict)
    _at_once: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def route(self, path: str, *answers: Answer) -> str:
        """Give a path its answers, and its URL to the caller."""
        self._answers[path] = list(answers)
        return self.url + path

    def door(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> str:
        """Open another port, to the same paths: for a client it is another host. Its URL, without a path."""
        server = asyncio.run_coroutine_threadsafe(self._open(0, tls, host), self._loop).result()
        return f"http{'s' if tls else ''}://{host}:{server.sockets[0].getsockname()[1]}"

    def asked(self, path: str | None = None) -> int:
        """How many requests came, in all or for one path."""
        return sum(path in (None, request.path) for request in self.requests)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self._servers: list[asyncio.Server] = []
        server = asyncio.run_coroutine_threadsafe(self._open(self.port, None), self._loop).result()
        self.port = int(server.sockets[0].getsockname()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self, port: int, tls: ssl.SSLContext | None, host: str = "127.0.0.1") -> asyncio.Server:
        server = await asyncio.start_server(self._serve, host, port, ssl=tls)
        self._servers.append(server)
        return server

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
                try:
                    answers = self._answers.get(request.path, [status(404)])
                    answer = answers.pop(0) if len(answers) > 1 else answers[0]
                    more = await answer(writer, request)
                    await writer.drain()
                finally:
                    self._at_once -= 1
                if not more:
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass  # a cancelled task would be complained of by asyncio's streams
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")[:-2]
    method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    return Request(method, path, {name.lower(): value.strip() for name, _, value in pairs})


# ---------------------------------------------------------------------------------------------------
# Answers


def head(code: int = 200, **headers: str | int) -> bytes:
    """A status line and fields; `content_length=3` becomes `content-length: 3`."""
    lines = [f"HTTP/1.1 {code} x", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def raw(data: bytes, *, more: bool = False) -> Answer:
    """These very bytes, and then the end of the connection unless there may be `more`."""

    async def answer(writer: asyncio.StreamWriter, _: Request) -> bool:
        writer.write(data)
        return more

    return answer


def whole(body: bytes, code: int = 200, /, **headers: str | int) -> Answer:
    """A response as it should be."""
    return raw(head(code, content_length=len(body), **headers) + body, more=True)


def status(code: int, **headers: str | int) -> Answer:
    """A response with a few words of text."""
    return whole(b"no", code, content_type="text/plain", **headers)


def busy_until(seconds: int) -> Answer:
    """Busy until a date that is so many seconds ahead of the question."""

    async def answer(writer: asyncio.StreamWriter, request: Request) -> bool | None:
        return await status(503, retry_after=formatdate(time.time() + seconds, usegmt=True))(writer, request)

    return answer


def redirect(location: str, code: int = 302) -> Answer:
    return whole(b"", code, location=location)


def unless_cookie(cookie: str, without: Answer, with_it: Answer) -> Answer:
    """One answer to a request without a cookie, and another to one that has it."""

    async def answer(writer: asyncio.StreamWriter, request: Request) -> bool | None:
        answers = with_it if cookie in request.headers.get("cookie", "").split("; ") else without
        return await answers(writer, request)

    return answer


def cut(body: bytes, /, *, at: int, **headers: str | int) -> Answer:
    """The right length promised, and the connection closed after `at` bytes."""
    return raw(head(200, content_length=len(body), **headers) + body[:at])


def until_close(body: bytes, **headers: str | int) -> Answer:
    """No length promised: the end of the connection is the end of the body (RFC 9112 §6.3)."""
    return raw(head(200, connection="close", **headers) + body)


def chunked(body: bytes, *, last: bool = True) -> Answer:
    """In chunks of 1,000 bytes; without the last chunk where it is to break off."""
    pieces = [body[i : i + 1000] for i in range(0, len(body), 1000)] + ([b""] if last else [])
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return raw(head(transfer_encoding="chunked") + coded, more=last)


def gzip(body: bytes, *, cut: int | None = None) -> Answer:
    """Coded with gzip, unasked; the coding cut after `cut` bytes."""
    return whole(gzip_module.compress(body, mtime=0)[:cut], content_encoding="gzip")


def reset(data: bytes = b"") -> Answer:
    """These bytes, and then a reset (RST)."""

    async def answer(writer: asyncio.StreamWriter, _: Request) -> None:
        writer.write(data)
        await writer.drain()
        if data:
            await asyncio.sleep(0.02)  # a reset overtakes what has not been read
        line: socket.socket = writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return answer


def stall(data: bytes = b"", seconds: float = 30.0) -> Answer:
    """These bytes, and then silence."""

    async def answer(writer: asyncio.StreamWriter, _: Request) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(seconds)

    return answer


def slowly(body: bytes, *, pause: float) -> Answer:
    """The head, a pause, and then the body."""

    async def answer(writer: asyncio.StreamWriter, _: Request) -> bool:
        writer.write(head(content_length=len(body)))
        await writer.drain()
        await asyncio.sleep(pause)
        writer.write(body)
        return True

    return answer


def drip(body: bytes, *, pause: float) -> Answer:
    """One byte at a time, so that no read ever waits long."""

    async def answer(writer: asyncio.StreamWriter, _: Request) -> bool:
        writer.write(head(content_length=len(body)))
        for index in range(len(body)):
            writer.write(body[index : index + 1])
            await writer.drain()
            await asyncio.sleep(pause)
        return True

    return answer


def trickle(pieces: Iterable[bytes], *, pause: float = 0.0) -> Answer:
    """Any bytes, piece by piece, with a pause after each; there may be no end of them."""

    async def answer(writer: asyncio.StreamWriter, _: Request) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


def endless(beginning: bytes, piece: bytes, *, pause: float = 0.0) -> Answer:
    """A beginning, and then the same piece for ever."""

    async def answer(writer: asyncio.StreamWriter, request: Request) -> None:
        writer.write(beginning)
        await trickle(repeat(piece), pause=pause)(writer, request)

    return answer


def ranged(body: bytes, *, etag: str | None = '"1"', at: int | None = None, **headers: str | int) -> Answer:
    """A server of ranges as it should be (RFC 9110 §14), which breaks off after `at` bytes."""

    async def answer(writer: asyncio.StreamWriter, request: Request) -> bool:
        fields = {**headers, **({} if etag is None else {"etag": etag})}
        start = _start_of(request, etag)
        code, part = 200, body[start:]
        if start >= len(body) > 0:
            code, part = 416, b""
            fields["content_range"] = f"bytes */{len(body)}"
        elif start:
            code = 206
            fields["content_range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        writer.write(head(code, content_length=len(part), **fields) + part[:at])
        return at is None

    return answer


def _start_of(request: Request, etag: str | None) -> int:
    """From which byte on a request asks; 0 where its condition does not hold (RFC 9110 §13.1.5)."""
    match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    if match is None or request.headers.get("if-range", etag) != etag:
        return 0
    return int(match[1])


# ---------------------------------------------------------------------------------------------------
# Alone


def main() -> None:
    """Serve every fault until interrupted."""
    from faults import FAULTS

    with Origin(port=int(sys.argv[1]) if sys.argv[1:] else 0) as origin:
        lines = []
        for fault in FAULTS:
            origin.route(fault.path, *fault.answers)
            lines.append(f"{fault.path:40} {fault.story}")
        listing = "\n".join(sorted(lines)) + "\n"
        origin.route("/", whole(listing.encode(), content_type="text/plain; charset=utf-8"))
        where = f"{origin.url}/ lists them all; each answer but the last is given once"
        print(listing, where, sep="\n", flush=True)  # whoever reads a pipe waits for it
        with suppress(KeyboardInterrupt):
            origin._thread.join()


if __name__ == "__main__":
    main()
