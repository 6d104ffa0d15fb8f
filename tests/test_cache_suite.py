"""`CachingTransport`, by the cases of a public suite for HTTP caches, against an origin on loopback.

`make bench-cache_suite` writes the score by section, beside another cache's, into docs/caching.md.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest

from cache_cases import CASES, NOT_FOR_IMAGES, SELECTED_BY_CALLER, Case, Step
from fakes import FakeClock
from imgfetch import CachingTransport
from origin import Origin, Request
from test_freshness import http_date

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

_DATES = frozenset({"date", "expires", "last-modified"})
_BODILESS = frozenset({204, 304})


class Play:
    """One case on its stage: an origin that plays the steps, and a client behind the cache."""

    def __init__(self, case: Case, origin: Origin, cache: Path) -> None:
        self.case, self.origin = case, origin
        self.clock = FakeClock()
        self.url = origin.url + f"/{case.section}/{case.name}/{cache.name}"
        plain = httpx.AsyncHTTPTransport(verify=False)  # certificates take long to load, and none is shown
        self.transport = self.cached(plain, cache)
        self.now: Step = case.steps[0]
        self.heard: list[Request] = []
        self.validators: dict[str, str] = {}

    def cached(self, plain: httpx.AsyncBaseTransport, cache: Path) -> httpx.AsyncBaseTransport:
        """The cache on trial."""
        return CachingTransport(cache, verify="none", transport=plain, clock=self.clock)

    async def act(self) -> str | None:
        """What went wrong, or None."""
        async with httpx.AsyncClient(transport=self.transport, verify=False) as client:
            client.headers.clear()
            for number, step in enumerate(self.case.steps):
                self.now, self.heard = step, []
                self.origin.route((self.url + step.at).removeprefix(self.origin.url), self._answer)
                problem = await self._step(client, step)
                if problem:
                    return f"step {number + 1}: {problem}"
                self.clock.time += step.wait
        return None

    async def _step(self, client: httpx.AsyncClient, step: Step) -> str | None:
        try:
            response = await client.request(
                step.method,
                self.url + step.at,
                headers=[(name, str(value)) for name, value in step.ask],
                content=b"abc" if step.method in ("POST", "PUT") else None,
            )
        except httpx.TransportError as error:
            return None if step.given == 0 else f"{error!r}"
        client.cookies.clear()  # nothing in the suite sends back what it was told to set
        if step.expect == "background" and isinstance(self.transport, CachingTransport):
            await asyncio.gather(*self.transport._in_background)
        return self._judge(step, response)

    def _judge(self, step: Step, response: httpx.Response) -> str | None:
        sent = self.heard[-1].headers if self.heard else {}
        how = _how(sent) if self.heard else "cached"
        met = {"fetched": bool(self.heard), "background": True, "": True}
        if not met.get(step.expect, how == step.expect):
            return f"{how}, where {step.expect} was expected"
        given = step.status if step.given is None else step.given
        if response.status_code != given:
            return f"status {response.status_code}, where {given} was expected"
        if step.text is not None and response.text != step.text:
            return f"body {response.text!r}"
        for name, value in step.shows:
            if not _shown(response.headers.get(name), self._value(name, value)):
                return f"{name}: {response.headers.get(name)}"
        hidden = [name for name in step.hides if name in response.headers]
        wrong = [name for name, value in step.sends if sent.get(name) != value]
        return f"shown: {hidden}; wrongly sent: {wrong}" if hidden or wrong else None

    async def _answer(self, writer: asyncio.StreamWriter, request: Request) -> bool:
        step = self.now
        self.heard.append(request)
        if step.cut:
            writer.transport.abort()
            return False
        dated = any(name == "date" for name, _ in step.answer)
        answer = step.answer if dated else (*step.answer, ("date", 0))  # as every server does by itself
        fields = [(name, self._value(name, value)) for name, value in answer]
        confirmed = step.expect in ("etag", "lm") and _how(request.headers) == step.expect
        status = 304 if confirmed else step.status
        body = f"{self.case.name} {len(self.validators)}" if step.body is None else step.body
        if status in _BODILESS:
            body = ""
        else:
            fields.append(("content-length", str(len(body))))
        if request.method == "HEAD":
            body = ""
        lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in fields), "", body]
        writer.write("\r\n".join(lines).encode("latin-1"))
        return not any(name == "connection" for name, _ in fields)

    def _value(self, name: str, value: str | int) -> str:
        return (
            http_date(self.clock.now() + value) if isinstance(value, int) and name in _DATES else str(value)
        )


def _how(sent: dict[str, str]) -> str:
    if "if-none-match" in sent:
        return "etag"
    return "lm" if "if-modified-since" in sent else "fetched"


def _shown(found: str | None, wanted: str) -> bool:
    if found is not None and wanted[0] == ">":
        return found.isdigit() and int(found) > int(wanted[1:])
    return found == wanted


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.section}: {case.name}")
async def test_the_cache_does_what_it_must_and_what_it_should(
    case: Case, origin: Origin, tmp_path: Path
) -> None:
    problem = await Play(case, origin, tmp_path / "cache").act()
    if case.name in NOT_FOR_IMAGES | SELECTED_BY_CALLER:
        assert problem is not None
    else:
        assert problem is None
