"""One download: a request, its redirects, and the body from the network into the store.

    slot ─▶ lease ─▶ request ─▶ Redirect (slot) │ NotModified │ body ─▶ staging ─▶ verification ─▶ commit

Every request waits for a slot at its host, and the first one for the lease of its key. Verification and
commit occupy no slot.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, assert_never

from imgfetch.engine.events import RequestSent, WaitingForOtherProcess
from imgfetch.engine.lease_wait import DownloadLeases
from imgfetch.engine.lookup import answer, refresh, selector_of, without_blocking
from imgfetch.engine.receive import BodyReceiver, beginning_of
from imgfetch.engine.redirect_cookies import RedirectCookies
from imgfetch.engine.storing import Storing
from imgfetch.errors import ImgfetchError
from imgfetch.model.image import Defect, PendingEntry, Verified
from imgfetch.model.result import CacheStatus, ErrorKind, Failure, Page
from imgfetch.rules.http import credentials, digests, resume, stored_headers, urls, vary
from imgfetch.rules.image import verify
from imgfetch.rules.policy import error_body, fetch_policy, response_policy, retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.engine.events import Event
    from imgfetch.engine.lease_wait import DownloadLease
    from imgfetch.engine.limits.host_limiter import HostLimiter
    from imgfetch.engine.limits.time_budget import TimeBudget
    from imgfetch.engine.robots import Robots
    from imgfetch.model.document import Recognised
    from imgfetch.model.image import Entry
    from imgfetch.model.request import Fetch, Head, Settings
    from imgfetch.model.values import StagingId
    from imgfetch.ports import Ports, Response


class Fetched(NamedTuple):
    """A candidate that is in the store now."""

    entry: Entry
    origin: CacheStatus
    warnings: tuple[str, ...] = ()
    attempts: int = 0
    """Requests sent, without redirects and without those that met an idle connection as it ended."""


class _HeldElsewhere(NamedTuple):
    """Another process holds the lease: it sends this request."""


class _Body(NamedTuple):
    """A whole body in staging, and the response that it belongs to."""

    staging_id: StagingId
    length: int | None
    """Bytes that the origin promised of it; None where it promised none, or counted coded bytes."""
    head: Head
    request_time: float
    response_time: float


_Hop: TypeAlias = _Body | Fetched | Failure | response_policy.Redirect


class Downloader:
    """Sends requests over the ports, and commits the bodies that are verified."""

    def __init__(
        self,
        ports: Ports,
        limiter: HostLimiter,
        robots: Robots | None,
        settings: Settings,
        observe: Callable[[Event], None],
    ) -> None:
        self._transport = ports.transport
        self._store = ports.store
        self._staging = ports.staging
        self._clock = ports.clock
        self._runner = ports.runner
        self._limiter = limiter
        self._robots = robots
        self._settings = settings
        self._observe = observe
        self._receiver = BodyReceiver(ports, settings.limits, observe)
        self.storing = Storing(ports, settings.limits)
        self._leases = DownloadLeases(ports.leases, ports.store, refresh=settings.refresh)

    async def download(self, fetch: Fetch, budget: TimeBudget) -> Fetched | Failure | Page:
        """Send a request, follow redirects, and store the image if the body is one.

        If another process downloads the same, wait for it and use what it has stored.
        """
        with self._leases.of(fetch) as lease:
            while isinstance(outcome := await self._attempt(fetch, budget, lease), _HeldElsewhere):
                self._observe(WaitingForOtherProcess(urls.redact(fetch.request.url)))
                await lease.wait_for_holder(budget)
                stored = await self._stored(fetch)
                if stored is not None:
                    return stored
            return outcome

    def forget(self, fetch: Fetch) -> None:
        """Drop what only another attempt at this request could use: there will be none."""
        self._receiver.forget(fetch)

    async def _stored(self, fetch: Fetch) -> Fetched | Failure | None:
        """Look up what another process may have stored since the request was decided on."""
        now = self._clock.now()
        look = functools.partial(answer, fetch, self._store, self._settings, now=now)
        try:
            found = await without_blocking(look, self._runner)
        except ImgfetchError as error:
            return retry.failure_of(error, fetch.request.url)
        return None if found is None else Fetched(found.entry, found.origin, found.warnings)

    async def _attempt(
        self, fetch: Fetch, budget: TimeBudget, lease: DownloadLease
    ) -> Fetched | Failure | Page | _HeldElsewhere:
        """Resume the partial body of an earlier attempt, or begin anew."""
        partial = self._receiver.resume(fetch)
        try:
            fetch = fetch if partial is None else fetch._replace(partial=partial)
            outcome, last = await self._follow_redirects(fetch, budget, lease)
        finally:
            if partial is not None:
                self._staging.suspend(partial.staging_id)  # does nothing if it is committed or discarded
        if isinstance(outcome, Failure) and last.request.url != fetch.request.url:
            message = f"redirected to {urls.redact(last.request.url)}: {outcome.message}"
            return outcome._replace(message=message)
        return outcome

    async def _follow_redirects(
        self, fetch: Fetch, budget: TimeBudget, lease: DownloadLease
    ) -> tuple[Fetched | Failure | Page | _HeldElsewhere, Fetch]:
        """Return the outcome, and the last request."""
        cookies = RedirectCookies()
        try:
            while True:
                hop = await self._send(fetch, budget, lease, cookies)
                match hop:
                    case response_policy.Redirect(fetch):
                        url = fetch.request.url
                        refused = await self._robots.check(url) if self._robots is not None else None
                        if refused is not None:
                            return refused, fetch
                    case _Body():
                        return await self._verify_and_commit(hop, fetch, budget), fetch
                    case Fetched() | Failure() | _HeldElsewhere():
                        return hop, fetch
                    case _:
                        assert_never(hop)
        except ImgfetchError as error:
            return retry.failure_of(error, fetch.request.url), fetch

    async def _send(
        self,
        fetch: Fetch,
        budget: TimeBudget,
        lease: DownloadLease,
        cookies: RedirectCookies,
    ) -> _Hop | _HeldElsewhere:
        """Send one request when its host has a slot, unless another process sends it or has sent it."""
        request = fetch.request
        async with self._limiter.slot(urls.origin(request.url), budget) as slot:
            if isinstance(slot, Failure):
                return slot
            if lease.is_needed and not fetch.hops:
                if not lease.acquire():
                    return _HeldElsewhere()
                stored = await self._stored(fetch)
                if stored is not None:
                    return stored
            resumed = resume.requested_part(fetch)
            self._observe(RequestSent(urls.redact(request.url), resumed.length if resumed else 0))
            request_time = self._clock.now()
            sent = cookies.add_to(resume.ranged(request, resumed))
            async with slot.response(self._transport, sent) as response:
                hop = await self._receive(response, fetch, request_time)
                if isinstance(hop, response_policy.Redirect):
                    cookies.take(response.head, request.url)
                elif isinstance(hop, Failure) and error_body.may_explain(response.head):
                    body = await beginning_of(response, error_body.MOST_BYTES)
                    hop = error_body.explained(hop, response.head, body, sent)
            slot.record(hop if isinstance(hop, Failure) else None)
            return hop

    async def _receive(self, response: Response, fetch: Fetch, request_time: float) -> _Hop:
        """Read a response as far as the policy says."""
        response_time = self._clock.now()
        action = response_policy.after_response(fetch, response.head, self._settings, now=response_time)
        match action:
            case response_policy.ReadBody(length, coding, partial):
                unfit = verify.check_content_type(response.head, fetch.wanted)
                if unfit is not None:
                    return _failure(unfit, fetch)
                staging_id = await self._receiver.receive(response, action, fetch)
                if isinstance(staging_id, Defect):
                    return _failure(staging_id, fetch)
                head = response.head
                if partial is not None:
                    head = stored_headers.completed(partial.head, head)
                return _Body(staging_id, None if coding else length, head, request_time, response_time)
            case response_policy.NotModified(entry):
                times = {"request_time": request_time, "response_time": response_time}
                work = functools.partial(refresh, entry, response.head, self._store, **times)
                return Fetched(await self._runner.run(work), CacheStatus.REVALIDATED, attempts=1)
            case fetch_policy.Reject(failed, must_restart):
                if must_restart and fetch.partial is not None:
                    self._staging.discard(fetch.partial.staging_id)
                return failed
            case response_policy.Redirect():
                return action
            case _:
                assert_never(action)

    async def _verify_and_commit(
        self, body: _Body, fetch: Fetch, budget: TimeBudget
    ) -> Fetched | Failure | Page:
        wanted = fetch.wanted
        is_page = wanted.page and stored_headers.is_page(body.head)
        image = wanted._replace(svg=False) if is_page else wanted
        try:
            verified = await self.storing.verify(
                body.staging_id,
                image,
                budget,
                key=fetch.key,
                final_url=body.head.url,
                length=body.length,
                claims=digests.claims(body.head),
            )
            if isinstance(verified, Verified):
                entry = await self.storing.commit(self._pending_entry(verified, body, fetch))
                return Fetched(entry, CacheStatus.FETCHED, verified.warnings, attempts=1)
            failed = _failure(verified, fetch)
            may_be_document = wanted.page and stored_headers.may_be_document(body.head)
            if not may_be_document or verified.kind is not ErrorKind.NOT_IMAGE:
                return failed
            return await self._document(body, failed, fetch)
        finally:
            self._staging.discard(body.staging_id)  # does nothing if it is committed

    def _pending_entry(self, verified: Verified, body: _Body, fetch: Fetch) -> PendingEntry:
        return PendingEntry(
            verified,
            fetch.key,
            stored_headers.storable(body.head, fetch.resource),
            body.request_time,
            body.response_time,
            vary.selecting(body.head, credentials.unselecting(fetch.request.headers, fetch.secrets)),
            fetch.redirect_lifetime,
            fetch.renditions,
            selector_of(fetch, self._store, redirected=fetch.redirect_lifetime is not None),
        )

    async def _document(self, body: _Body, failed: Failure, fetch: Fetch) -> Page | Failure:
        """Return a body that is a document, with the failure that it would be as an image.

        One that no reader reads is a failure with its name.
        """
        from imgfetch.model.document import Document  # most bodies are images
        from imgfetch.readers.document_type import recognise

        def read() -> tuple[bytes, Recognised]:
            with self._staging.read(body.staging_id) as (mapped, _):
                data = bytes(mapped)
            content_type = body.head.fields.get("content-type") or ""
            return data, recognise(Document(data, content_type, name=body.head.url))

        data, found = await self._runner.run(read)
        if found.type is None:
            return failed._replace(message=f"the body is {found.why}")
        return Page(body.head, data, failed, fetch.source_origin)


def _failure(defect: Defect, fetch: Fetch) -> Failure:
    return retry.failure_of_bytes(defect, fetch.request.url)
