"""The cache behind any httpx code: an httpx transport around another.

    request ─▶ transit.consider ─▶ Give, from the store
                    └─▶ Forward ─▶ the one within ─▶ transit.hear ─▶ Keep: to the caller and to scratch,
                                                                    proved, and kept when it is whole

What cannot be kept is given all the same: a cache is no reason for a request to fail. Only where something
else stands in its place is that said, before anything is asked.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, assert_never

import httpx

from imgfetch.engine.group_commit import GroupCommitter
from imgfetch.errors import CacheError, CheckDueError, PolicyError
from imgfetch.model.image import Defect, PendingEntry, Verified, VerifyLevel
from imgfetch.model.request import Head
from imgfetch.model.result import CacheStatus, ErrorKind
from imgfetch.rules.http import credentials, stored_headers, vary
from imgfetch.rules.policy import proxy_policy
from imgfetch.transports.blocking import BlockingTransport
from imgfetch.transports.foreign import as_httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from imgfetch.model.image import Entry
    from imgfetch.model.values import Key, StagingId
    from imgfetch.ports import Clock, Executor
    from imgfetch.store.disk_store import DiskStore

Verify: TypeAlias = "Callable[[StagingId, int | None], Awaitable[Verified | Defect]]"
"""Verifies a staged body, of which the origin promised so many bytes."""

_PIECE = 64 * 1024


class CachingLayer(BlockingTransport):
    """An httpx transport that answers from `store` what it may, and keeps what it can. Needs asyncio.

    `response.extensions["imgfetch"]` is a dictionary: `origin` (fetched, cached, revalidated, stale), and
    `path` of the object, None while there is none; `problem` says why a body was not kept. Of what is
    fetched they are filled in when the body has been read to its end.
    """

    def __init__(
        self,
        *,
        store: DiskStore,
        transport: httpx.AsyncBaseTransport,
        clock: Clock,
        runner: Executor,
        verify: Verify,
        level: VerifyLevel,
        max_bytes: int,
        key_ignore: tuple[str, ...] = (),
        ignore_signatures: bool = False,
    ) -> None:
        super().__init__()
        self._store = store
        self._transport = as_httpx(transport)
        self._clock = clock
        self._runner = runner
        self._verify = verify
        self._committer = GroupCommitter(store, runner)
        self._level = level
        self._max_bytes = max_bytes
        self._key_ignore = key_ignore
        self._ignore_signatures = ignore_signatures
        self._in_background: dict[asyncio.Task[None], tuple[Key, str, proxy_policy.Fields]] = {}
        """Who asks, and about which entry that was given stale."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer from the cache, or by way of the transport within."""
        asked = _read(request)._replace(
            key_ignore=self._key_ignore, ignore_signatures=self._ignore_signatures
        )
        key = asked.key
        return await self._answer(request, asked, None if key is None else await self._find(key, asked))

    async def _answer(
        self, request: httpx.Request, asked: proxy_policy.Request, entry: Entry | None
    ) -> httpx.Response:
        considered = proxy_policy.before_request(asked, entry, level=self._level, now=self._clock.now())
        match considered:
            case proxy_policy.UseStored():
                given = self._give(asked, considered)
                if given is None:
                    return await self._answer(request, asked, None)
                if considered.refresh:
                    self._refresh_later(request, asked, considered.entry)
                return given
            case proxy_policy.Send():
                return await self._forward(request, asked, considered)
            case proxy_policy.Unavailable():
                return httpx.Response(504, extensions={"imgfetch": {"origin": None, "path": None}})
            case _:
                assert_never(considered)

    async def aclose(self) -> None:
        """End what goes on in the background, close the transport within, let go of the cache."""
        tasks = tuple(self._in_background)
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            try:
                await self._transport.aclose()
            finally:
                await asyncio.to_thread(self._store.close)  # there may be something to evict

    async def _find(self, key: Key, asked: proxy_policy.Request) -> Entry | None:
        try:
            look = partial(self._store.find, key, asked.selectable, selector=self._selector(asked))
            try:
                return look(at_once=True)
            except CheckDueError:
                return await self._runner.run(look)
        except CacheError as error:
            if error.kind is ErrorKind.NOT_A_CACHE:
                raise
            return None

    def _selector(self, asked: proxy_policy.Request) -> str:
        """Return the hash that selects the response to what a caller sends. Raises `CacheError`."""
        secrets = asked.secrets
        return credentials.selector(secrets, self._store.salt(), redirected=False) if secrets.sent else ""

    async def _forward(
        self, request: httpx.Request, asked: proxy_policy.Request, forward: proxy_policy.Send
    ) -> httpx.Response:
        request_time = self._clock.now()
        try:
            response = await self._transport.handle_async_request(_with(request, forward.headers))
        except httpx.TransportError as error:
            if isinstance(error.__cause__, PolicyError):  # we declined to try
                raise
            standing_in = proxy_policy.unreached(asked, forward, now=self._clock.now())
            given = None if standing_in is None else self._stale(asked, standing_in.entry)
            if given is None:
                raise
            return given
        try:
            return await self._heard(request, asked, forward, response, request_time)
        except BaseException:
            await response.aclose()
            raise

    async def _heard(
        self,
        request: httpx.Request,
        asked: proxy_policy.Request,
        forward: proxy_policy.Send,
        response: httpx.Response,
        request_time: float,
    ) -> httpx.Response:
        response_time = self._clock.now()
        head = _head(request, response)
        for key in proxy_policy.invalidated(asked, head):
            with suppress(CacheError):  # the origin has done what it was asked for
                await self._runner.run(partial(self._store.remove, key))
        heard = proxy_policy.after_response(asked, forward, head, level=self._level, now=response_time)
        match heard:
            case proxy_policy.PassThrough():
                return self._passed(response)
            case proxy_policy.Store(length):
                return self._tee(asked, response, head, length, request_time, response_time)
            case proxy_policy.SendAgain(forward):
                await response.aclose()
                return await self._forward(request, asked, forward)
            case proxy_policy.StaleIfError(entry):
                given = self._stale(asked, entry)
                if given is None:
                    return self._passed(response)
                await response.aclose()
                return given
            case proxy_policy.NotModified(held):
                await response.aclose()
                times = {"request_time": request_time, "response_time": response_time}
                entry = stored_headers.refreshed(held, head, **times)
                with suppress(CacheError):  # it is asked about again when it is next wanted
                    await self._runner.run(partial(self._store.refresh, held, head, **times))
                fields = proxy_policy.answer_fields(entry, now=response_time, confirmed=True)
                given = self._give(asked, proxy_policy.UseStored(entry, fields, CacheStatus.REVALIDATED))
                return given or await self._forward(request, asked, proxy_policy.Send(asked.headers))
            case _:
                assert_never(heard)

    def _passed(self, response: httpx.Response) -> httpx.Response:
        response.extensions["imgfetch"] = {"origin": CacheStatus.FETCHED.value, "path": None}
        return response

    def _stale(self, asked: proxy_policy.Request, entry: Entry) -> httpx.Response | None:
        fields = proxy_policy.answer_fields(entry, now=self._clock.now())
        return self._give(asked, proxy_policy.UseStored(entry, fields, CacheStatus.STALE))

    def _give(self, asked: proxy_policy.Request, give: proxy_policy.UseStored) -> httpx.Response | None:
        """The answer; None where its object was evicted a moment ago. One that is open outlives its name."""
        path = self._store.path(give.entry)
        try:
            file = path.open("rb")
        except OSError:
            return None
        start, stop = give.span or (0, give.entry.facts.bytes)
        return httpx.Response(
            give.entry.head.status if give.span is None else 206,
            headers=_encoded(give.fields),
            stream=_Part(file, start, start if asked.method == "HEAD" else stop),
            extensions={"imgfetch": {"origin": give.origin.value, "path": path}},
        )

    def _tee(
        self,
        asked: proxy_policy.Request,
        response: httpx.Response,
        head: Head,
        length: int | None,
        request_time: float,
        response_time: float,
    ) -> httpx.Response:
        told: dict[str, Any] = {"origin": CacheStatus.FETCHED.value, "path": None}

        async def keep(scratch: StagingId) -> None:
            try:
                await self._keep(asked, scratch, head, length, request_time, response_time, told)
            except CacheError as error:
                told["problem"] = error.message

        return httpx.Response(
            response.status_code,
            headers=response.headers.raw,
            stream=_Tee(response, self._store, keep, self._max_bytes),
            extensions={**response.extensions, "imgfetch": told},
        )

    async def _keep(
        self,
        asked: proxy_policy.Request,
        scratch: StagingId,
        head: Head,
        length: int | None,
        request_time: float,
        response_time: float,
        told: dict[str, Any],
    ) -> None:
        verified = await self._verify(scratch, length)
        if isinstance(verified, Defect):
            told["problem"] = f"{verified.kind}: {verified.message}"
            return
        key = asked.key
        assert key is not None  # noqa: S101 (or it would not be kept)
        filing = PendingEntry(
            verified,
            key,
            stored_headers.storable(head, asked.resource, signed=not asked.ignore_signatures),
            request_time,
            response_time,
            vary.selecting(head, asked.selectable),
            selector=self._selector(asked),
        )
        told["path"] = self._store.path(await self._committer.commit(filing))

    def _refresh_later(self, request: httpx.Request, asked: proxy_policy.Request, entry: Entry) -> None:
        what = entry.key, entry.selector, entry.vary_values
        if what in self._in_background.values():
            return
        forward = proxy_policy.forward(asked, entry)

        async def refresh() -> None:
            with suppress(httpx.HTTPError, CacheError):  # it is asked about again when it is next wanted
                async with aclosing(await self._forward(request, asked, forward)) as response:
                    await response.aread()

        task = asyncio.create_task(refresh())
        self._in_background[task] = what
        task.add_done_callback(self._in_background.pop)


class _Part(httpx.AsyncByteStream):
    """The bytes of an open file, from one offset up to another."""

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        self._file = file
        self._start = start
        self._stop = stop

    async def __aiter__(self) -> AsyncIterator[bytes]:
        at = self._file.seek(self._start)
        while piece := self._file.read(min(_PIECE, self._stop - at)):
            at += len(piece)
            yield piece

    async def aclose(self) -> None:
        self._file.close()


class _Tee(httpx.AsyncByteStream):
    """A body on its way to the caller, and into scratch beside."""

    def __init__(
        self,
        response: httpx.Response,
        store: DiskStore,
        keep: Callable[[StagingId], Any],
        max_bytes: int,
    ) -> None:
        self._response = response
        self._store = store
        self._keep = keep
        self._max_bytes = max_bytes
        self._scratch: StagingId | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream = self._response.stream
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 (an asynchronous transport gave it)
        with suppress(CacheError):
            self._scratch = self._store.open()
        async for chunk in stream:
            self._take(chunk)
            yield chunk
        if self._scratch is not None:
            await self._keep(self._scratch)

    async def aclose(self) -> None:
        self._drop()
        await self._response.aclose()

    def _take(self, chunk: bytes) -> None:
        if self._scratch is None:
            return
        try:
            if self._store.write(self._scratch, chunk) > self._max_bytes:
                self._drop()
        except CacheError:
            self._drop()

    def _drop(self) -> None:
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            self._store.discard(scratch)


def _read(request: httpx.Request) -> proxy_policy.Request:
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.headers.raw
    )
    return proxy_policy.Request(request.method.upper(), str(request.url), headers)


def _with(request: httpx.Request, headers: proxy_policy.Fields) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url,
        headers=_encoded(headers),
        stream=request.stream,
        extensions=request.extensions,
    )


def _head(request: httpx.Request, response: httpx.Response) -> Head:
    fields = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw
    )
    return Head(str(request.url), response.status_code, fields)


def _encoded(fields: proxy_policy.Fields) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
