"""The robots.txt of each origin, fetched once, when it is first needed (RFC 9309).

check ─▶ known? ─▶ single flight ─▶ retries ─▶ redirects ─▶ Rules │ Failure ─▶ remembered
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from imgfetch.engine.events import RequestSent
from imgfetch.engine.limits.time_budget import TimeBudget
from imgfetch.engine.redirect_cookies import RedirectCookies
from imgfetch.engine.retrying import Retrying
from imgfetch.engine.single_flight import SingleFlight
from imgfetch.errors import ImgfetchError
from imgfetch.model.image import Defect
from imgfetch.model.request import Fetch, Request
from imgfetch.model.result import Failure
from imgfetch.model.values import Key
from imgfetch.rules.crawl import robots
from imgfetch.rules.http import urls
from imgfetch.rules.http.content_coding import Decoder
from imgfetch.rules.policy import fetch_policy, response_policy, retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.engine.events import Event
    from imgfetch.engine.limits.host_limiter import HostLimiter
    from imgfetch.model.request import Settings
    from imgfetch.ports import Ports, Response
    from imgfetch.rules.crawl.robots import Rules

_Verdict: TypeAlias = "Rules | Failure"


class _Known(NamedTuple):
    verdict: _Verdict
    until: float


class Robots:
    """Checks URLs against robots.txt. Kept in memory only: a run is shorter than a robots.txt is valid."""

    def __init__(
        self, ports: Ports, limiter: HostLimiter, settings: Settings, observe: Callable[[Event], None]
    ) -> None:
        self._transport, self._clock, self._runner = ports.transport, ports.clock, ports.runner
        self._limiter = limiter
        self._observe = observe
        self._retrying = Retrying(settings.limits, ports.clock, lambda _: None)
        self._token = settings.robots
        self._limits = settings.limits
        # A long file is read in part; no referrer and no credentials are sent; any redirect is followed:
        # RFC 9309 §2.3.1.2 names no exception, and a robots.txt is public.
        limits = settings.limits._replace(max_redirects=robots.MOST_REDIRECTS, max_bytes=2**63)
        self._settings = settings._replace(
            limits=limits,
            referer="",
            robots="",
            headers=(),
            headers_for=(),
            cookies={},
            netrc={},
            allow_downgrade=True,
        )
        self._single_flights: SingleFlight[_Verdict] = SingleFlight()
        self._known: dict[str, _Known] = {}
        """The verdicts by origin, the latest at the end."""
        self._weight = 0

    async def check(self, url: str) -> Failure | None:
        """Return the failure of a URL that must not be fetched, or None."""
        address = urls.read(url)
        if isinstance(address, Defect):
            return None
        verdict = await self._verdict(address.origin)
        if isinstance(verdict, Failure):
            message = f"no robots.txt, so nothing may be asked for: {verdict.message}"
            return verdict._replace(message=message, url=urls.redact(url), attempts=0)
        if verdict.allows(address.target):
            return None
        return retry.opted_out(f"robots.txt disallows {self._token}", url)

    async def close(self) -> None:
        """Cancel all requests, and send none from now on."""
        await self._single_flights.close()

    async def _verdict(self, origin: str) -> _Verdict:
        known = self._known.get(origin)
        if known is not None and self._clock.elapsed() < known.until:
            return known.verdict
        return await self._single_flights.run(origin, lambda: self._fetch(origin))

    async def _fetch(self, origin: str) -> _Verdict:
        budget = TimeBudget(self._limits.total_timeout, self._clock)
        url = origin + "/robots.txt"
        headers = (
            ("user-agent", self._settings.user_agent),
            ("accept", "text/plain,*/*;q=0.5"),
            ("accept-encoding", "identity"),
        )
        fetch = Fetch(Key(url), Request(url, headers))

        async def send(fetch: Fetch) -> _Verdict:
            return await self._follow_redirects(fetch, budget)

        verdict = await send(fetch)
        if isinstance(verdict, Failure):
            verdict, _ = await self._retrying.repeat(verdict, send, fetch, budget)
        self._remember(origin, verdict)
        return verdict

    async def _follow_redirects(self, fetch: Fetch, budget: TimeBudget) -> _Verdict:
        cookies = RedirectCookies()
        try:
            while isinstance(hop := await self._send(fetch, budget, cookies), response_policy.Redirect):
                fetch = hop.fetch
        except ImgfetchError as error:
            hop = retry.failure_of(error, fetch.request.url)
        return robots.Rules() if isinstance(hop, Failure) and robots.is_unavailable(hop) else hop

    async def _send(
        self, fetch: Fetch, budget: TimeBudget, cookies: RedirectCookies
    ) -> _Verdict | response_policy.Redirect:
        async with self._limiter.slot(urls.origin(fetch.request.url), budget) as slot:
            if isinstance(slot, Failure):
                return slot
            self._observe(RequestSent(urls.redact(fetch.request.url)))
            async with slot.response(self._transport, cookies.add_to(fetch.request)) as response:
                hop = await self._receive(response, fetch)
                if isinstance(hop, response_policy.Redirect):
                    cookies.take(response.head, fetch.request.url)
            slot.record(hop if isinstance(hop, Failure) else None)
            return hop

    async def _receive(self, response: Response, fetch: Fetch) -> _Verdict | response_policy.Redirect:
        action = response_policy.after_response(fetch, response.head, self._settings, now=self._clock.now())
        match action:
            case response_policy.ReadBody(coding=coding):
                data = await _read_body(response, Decoder(coding, limit=4 * robots.LONGEST))
            case fetch_policy.Reject(failed):
                return failed
            case response_policy.Redirect():
                return action
            case response_policy.NotModified():
                raise AssertionError("a request for a robots.txt has no condition")
        if isinstance(data, Defect):
            return retry.failure(data.kind, data.message, fetch.request.url)
        return await self._runner.run(lambda: robots.read(data, self._token))

    def _remember(self, origin: str, verdict: _Verdict) -> None:
        lasts = _UNREACHABLE if isinstance(verdict, Failure) else robots.LIFETIME
        self._forget(origin)
        self._known[origin] = _Known(verdict, self._clock.elapsed() + lasts)
        self._weight += _weight(verdict)
        while self._weight > _MAX_RULES and len(self._known) > 1:
            self._forget(next(iter(self._known)))

    def _forget(self, origin: str) -> None:
        known = self._known.pop(origin, None)
        if known is not None:
            self._weight -= _weight(known.verdict)


async def _read_body(response: Response, decoder: Decoder) -> bytes | Defect:
    """Read a body, as far as a robots.txt is read."""
    data = bytearray()
    async for chunk in response.body():
        piece = decoder.feed(chunk)
        if isinstance(piece, Defect):
            return piece
        data += piece
        if len(data) >= robots.LONGEST:
            return bytes(data)
    return decoder.end() or bytes(data)


def _weight(verdict: _Verdict) -> int:
    """Estimate the memory of a verdict, in rules."""
    return 4 + (0 if isinstance(verdict, Failure) else len(verdict.rules))


_MAX_RULES = 100_000
"""Rules that are remembered for all origins together: some 20 MB."""

_UNREACHABLE = 600.0
"""Seconds until a robots.txt that could not be fetched is requested again."""
