"""An engine on ports that keep their promises in memory, and choices for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fakes import FakeClock, FakeDecoder, FakeReply, FakeTransport, InlineRunner, MemoryStore
from imgfetch.engine.engine import Engine
from imgfetch.model.markup import Candidate, Choice, SourceSet
from imgfetch.model.request import Head, Limits, Settings
from imgfetch.model.result import Failure, Served
from imgfetch.ports import AddressBusy, Ports
from imgfetch.rules.image.choose import choose
from pictures import encoded

if TYPE_CHECKING:
    from imgfetch.engine.events import Event

H = "http://h.example"
PIXEL = encoded("webp", 12, 8)
LIMITS = Limits(retries=2, backoff_base=1.0, total_timeout=60)


class World:
    """An engine, and the fakes of its ports."""

    def __init__(self, **settings: object) -> None:
        self.transport, self.store, self.clock = FakeTransport(), MemoryStore(), FakeClock()
        self.decoder = FakeDecoder()
        self.events: list[Event] = []
        self.settings = Settings(limits=LIMITS)._replace(**settings)  # type: ignore[arg-type]
        self.engine = self.another()

    def another(self, **settings: object) -> Engine:
        ports = Ports(
            self.transport,
            self.store,
            self.store.staging,
            self.store,
            self.decoder,
            self.clock,
            InlineRunner(),
        )
        return Engine(ports, self.settings._replace(**settings), self.events.append)  # type: ignore[arg-type]

    async def served(self, *names: str, width: int = 12) -> Served:
        outcome = await self.engine.fetch(choice_of(*names, width=width))
        assert isinstance(outcome, Served), outcome
        return outcome

    async def failed(self, *names: str) -> Failure:
        outcome = await self.engine.fetch(choice_of(*names))
        assert isinstance(outcome, Failure), outcome
        return outcome

    def urls(self) -> list[str]:
        return [request.url.removeprefix(H) for request in self.transport.requests]


def choice_of(*names: str, width: int = 12) -> Choice:
    """A choice among candidates, all 12 px wide, tried in the order given."""
    return choose(
        SourceSet(tuple(Candidate(name if ":" in name else H + name, 12) for name in names)), width=width
    )


def reply(body: bytes = PIXEL, status: int = 200, **fields: str) -> FakeReply:
    """Return a response for /a."""
    headers = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    return FakeReply(Head(H + "/a", status, headers), (body,) if body else ())


class BusyAddress(AddressBusy):
    """An address that has all its connections until `is_free` is set."""

    def __init__(self) -> None:
        self.is_free = asyncio.Event()
        self.passed_on = 0

    async def wait(self) -> None:
        await self.is_free.wait()

    def pass_on(self) -> None:
        self.passed_on += 1
