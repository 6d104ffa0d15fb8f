"""The cache for any httpx program: a transport around another.

    request ─▶ proxy_policy.before_request ─▶ UseStored, from the store
                       └─▶ Send ─▶ the inner transport ─▶ after_response ─▶ Store: to the caller and to
                                                             staging, verified and committed position its end

A response that cannot be stored is returned all the same: a cache must not make a request fail. Only
where the cache's folder holds something else is an error raised, before any request is sent.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, assert_never

import httpx

from imgfetch.engine.group_commit import GroupCommitter
from imgfetch.engine.lookup import refresh
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
    from imgfetch.transports.foreign import AsyncTransport

Verify: TypeAlias = "Callable[[StagingId, int | None], Awaitable[Verified | Defect]]"
"""Verifies a staged body; the second argument is the length that the origin announced."""

_PIECE = 64 * 1024


class CachingLayer(BlockingTransport):
    """An httpx transport that answers from `store` where it may, and stores what it can. Needs asyncio.

    `response.extensions["imgfetch"]` is a dictionary: `origin` (fetched, cached, revalidated, stale), and
    `path` of the object, or None; `problem` says why a body was not stored. For a fetched response, `path`
    and `problem` are filled in when its body has been read to its end.
    """

    def __init__(
        self,
        *,
        store: DiskStore,
        transport: AsyncTransport,
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
        """Tasks that revalidate an entry which was served stale, and the entry of each."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer from the cache, or send the request by the inner transport."""
        parsed = _parse(request)._replace(
            key_ignore=self._key_ignore, ignore_signatures=self._ignore_signatures
        )
        key = parsed.key
        return await self._answer(request, parsed, None if key is None else await self._find(key, parsed))

    async def _answer(
        self, request: httpx.Request, parsed: proxy_policy.Request, entry: Entry | None
    ) -> httpx.Response:
        decision = proxy_policy.before_request(parsed, entry, level=self._level, now=self._clock.now())
        match decision:
            case proxy_policy.UseStored():
                stored = self._from_store(parsed, decision)
                if stored is None:
                    return await self._answer(request, parsed, None)
                if decision.refresh:
                    self._refresh_in_background(request, parsed, decision.entry)
                return stored
            case proxy_policy.Send():
                return await self._forward(request, parsed, decision)
            case proxy_policy.Unavailable():
                return httpx.Response(504, extensions={"imgfetch": {"origin": None, "path": None}})
            case _:
                assert_never(decision)

    async def aclose(self) -> None:
        """End work in the background, close the inner transport and the cache."""
        tasks = tuple(self._in_background)
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            try:
                await self._transport.aclose()
            finally:
                await asyncio.to_thread(self._store.close)  # it may evict objects

    async def _find(self, key: Key, parsed: proxy_policy.Request) -> Entry | None:
        try:
            find = partial(self._store.find, key, parsed.selectable, selector=self._selector(parsed))
            try:
                return find(at_once=True)
            except CheckDueError:
                return await self._runner.run(find)
        except CacheError as error:
            if error.kind is ErrorKind.NOT_A_CACHE:
                raise
            return None

    def _selector(self, parsed: proxy_policy.Request) -> str:
        """Return the hash of the caller's secrets, which selects the response. Raises `CacheError`."""
        secrets = parsed.secrets
        return credentials.selector(secrets, self._store.salt(), redirected=False) if secrets.sent else ""

    async def _forward(
        self, request: httpx.Request, parsed: proxy_policy.Request, forward: proxy_policy.Send
    ) -> httpx.Response:
        request_time = self._clock.now()
        try:
            response = await self._transport.handle_async_request(_with(request, forward.headers))
        except httpx.TransportError as error:
            if isinstance(error.__cause__, PolicyError):  # the address guard refused
                raise
            fallback = proxy_policy.unreached(parsed, forward, now=self._clock.now())
            stored = None if fallback is None else self._stale(parsed, fallback.entry)
            if stored is None:
                raise
            return stored
        try:
            return await self._after_response(request, parsed, forward, response, request_time)
        except BaseException:
            await response.aclose()
            raise

    async def _after_response(
        self,
        request: httpx.Request,
        parsed: proxy_policy.Request,
        forward: proxy_policy.Send,
        response: httpx.Response,
        request_time: float,
    ) -> httpx.Response:
        response_time = self._clock.now()
        head = _head_of(request, response)
        for key in proxy_policy.invalidated(parsed, head):
            with suppress(CacheError):  # the origin has carried out the request
                await self._runner.run(partial(self._store.remove, key))
        decision = proxy_policy.after_response(parsed, forward, head, level=self._level, now=response_time)
        match decision:
            case proxy_policy.PassThrough():
                return self._unchanged(response)
            case proxy_policy.Store(length):
                return self._tee(parsed, response, head, length, request_time, response_time)
            case proxy_policy.SendAgain(forward):
                await response.aclose()
                return await self._forward(request, parsed, forward)
            case proxy_policy.StaleIfError(entry):
                stored = self._stale(parsed, entry)
                if stored is None:
                    return self._unchanged(response)
                await response.aclose()
                return stored
            case proxy_policy.NotModified(stale):
                await response.aclose()
                times = {"request_time": request_time, "response_time": response_time}
                entry = stored_headers.refreshed(stale, head, **times)
                with suppress(CacheError):  # the next request revalidates it again
                    await self._runner.run(partial(refresh, stale, head, self._store, **times))
                fields = proxy_policy.answer_fields(entry, now=response_time, confirmed=True)
                stored = self._from_store(
                    parsed, proxy_policy.UseStored(entry, fields, CacheStatus.REVALIDATED)
                )
                return stored or await self._forward(request, parsed, proxy_policy.Send(parsed.headers))
            case _:
                assert_never(decision)

    def _unchanged(self, response: httpx.Response) -> httpx.Response:
        response.extensions["imgfetch"] = {"origin": CacheStatus.FETCHED.value, "path": None}
        return response

    def _stale(self, parsed: proxy_policy.Request, entry: Entry) -> httpx.Response | None:
        fields = proxy_policy.answer_fields(entry, now=self._clock.now())
        return self._from_store(parsed, proxy_policy.UseStored(entry, fields, CacheStatus.STALE))

    def _from_store(self, parsed: proxy_policy.Request, use: proxy_policy.UseStored) -> httpx.Response | None:
        """Return the stored response; None if its object was evicted. An open file outlives its name."""
        path = self._store.path(use.entry)
        try:
            file = path.open("rb")
        except OSError:
            return None
        start, stop = use.span or (0, use.entry.facts.bytes)
        return httpx.Response(
            use.entry.head.status if use.span is None else 206,
            headers=_encoded(use.fields),
            stream=_Part(file, start, start if parsed.method == "HEAD" else stop),
            extensions={"imgfetch": {"origin": use.origin.value, "path": path}},
        )

    def _tee(
        self,
        parsed: proxy_policy.Request,
        response: httpx.Response,
        head: Head,
        length: int | None,
        request_time: float,
        response_time: float,
    ) -> httpx.Response:
        extension: dict[str, Any] = {"origin": CacheStatus.FETCHED.value, "path": None}

        async def commit(staging_id: StagingId) -> None:
            try:
                await self._commit(parsed, staging_id, head, length, request_time, response_time, extension)
            except CacheError as error:
                extension["problem"] = error.message

        return httpx.Response(
            response.status_code,
            headers=response.headers.raw,
            stream=_Tee(response, self._store, commit, self._max_bytes),
            extensions={**response.extensions, "imgfetch": extension},
        )

    async def _commit(
        self,
        parsed: proxy_policy.Request,
        staging_id: StagingId,
        head: Head,
        length: int | None,
        request_time: float,
        response_time: float,
        extension: dict[str, Any],
    ) -> None:
        verified = await self._verify(staging_id, length)
        if isinstance(verified, Defect):
            extension["problem"] = f"{verified.kind}: {verified.message}"
            return
        key = parsed.key
        assert key is not None  # noqa: S101 (a request without a key is not stored)
        pending = PendingEntry(
            verified,
            key,
            stored_headers.storable(head, parsed.resource, signed=not parsed.ignore_signatures),
            request_time,
            response_time,
            vary.selecting(head, parsed.selectable),
            selector=self._selector(parsed),
        )
        extension["path"] = self._store.path(await self._committer.commit(pending))

    def _refresh_in_background(
        self, request: httpx.Request, parsed: proxy_policy.Request, entry: Entry
    ) -> None:
        refreshed = entry.key, entry.selector, entry.vary_values
        if refreshed in self._in_background.values():
            return
        forward = proxy_policy.forward(parsed, entry)

        async def refresh() -> None:
            with suppress(httpx.HTTPError, CacheError):  # the next request revalidates it again
                async with aclosing(await self._forward(request, parsed, forward)) as response:
                    await response.aread()

        task = asyncio.create_task(refresh())
        self._in_background[task] = refreshed
        task.add_done_callback(self._in_background.pop)


class _Part(httpx.AsyncByteStream):
    """Part of an open file: the bytes from one offset to another."""

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        self._file = file
        self._start = start
        self._stop = stop

    async def __aiter__(self) -> AsyncIterator[bytes]:
        position = self._file.seek(self._start)
        while piece := self._file.read(min(_PIECE, self._stop - position)):
            position += len(piece)
            yield piece

    async def aclose(self) -> None:
        self._file.close()


class _Tee(httpx.AsyncByteStream):
    """The body of a response, copied to staging while the caller reads it."""

    def __init__(
        self,
        response: httpx.Response,
        store: DiskStore,
        commit: Callable[[StagingId], Any],
        max_bytes: int,
    ) -> None:
        self._response = response
        self._store = store
        self._commit = commit
        self._max_bytes = max_bytes
        self._staging_id: StagingId | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream = self._response.stream
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 (an asynchronous transport gave it)
        with suppress(CacheError):
            self._staging_id = self._store.staging.open()
        async for chunk in stream:
            self._copy(chunk)
            yield chunk
        if self._staging_id is not None:
            await self._commit(self._staging_id)

    async def aclose(self) -> None:
        self._discard()
        await self._response.aclose()

    def _copy(self, chunk: bytes) -> None:
        if self._staging_id is None:
            return
        try:
            if self._store.staging.write(self._staging_id, chunk) > self._max_bytes:
                self._discard()
        except CacheError:
            self._discard()

    def _discard(self) -> None:
        staging_id, self._staging_id = self._staging_id, None
        if staging_id is not None:
            self._store.staging.discard(staging_id)


def _parse(request: httpx.Request) -> proxy_policy.Request:
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


def _head_of(request: httpx.Request, response: httpx.Response) -> Head:
    fields = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw
    )
    return Head(str(request.url), response.status_code, fields)


def _encoded(fields: proxy_policy.Fields) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
