"""One request in its turn: waited for, watched, and remembered of the origin it went to."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from imgfetch.engine.events import RequestSent
from imgfetch.errors import ImgfetchError, Unreachable
from imgfetch.model.result import Failure
from imgfetch.ports import AddressBusy
from imgfetch.rules.http import resume, urls
from imgfetch.rules.policy import retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imgfetch.engine.events import Event
    from imgfetch.engine.host_limiter import HostLimiter, Slot
    from imgfetch.engine.time_budget import TimeBudget
    from imgfetch.model.request import Request

T = TypeVar("T")
S = TypeVar("S")


class Turns:
    """Gives requests their turns, and tells the lanes how they ended."""

    def __init__(self, lanes: HostLimiter, observe: Callable[[Event], None]) -> None:
        self._lanes = lanes
        self._observe = observe

    async def take(
        self,
        ask: Request,
        budget: TimeBudget,
        make: Callable[[Request], Awaitable[T]],
        instead: Callable[[], Awaitable[S | None]] | None = None,
    ) -> T | S | Failure:
        """What `make` makes of a request, in a turn with the host it goes to; what it raises is a Failed.

        When the turn has come, what `instead` gives takes the place of the request, if it gives anything.
        """
        async with self._lanes.slot(urls.origin(ask.url), budget) as turn:
            if isinstance(turn, Failure):
                return turn
            settled = None if instead is None else await instead()
            if settled is not None:
                return settled
            try:
                partial = resume.asked_for(ask)
                self._observe(RequestSent(urls.redact(ask.url), partial.length if partial else 0))
                made = await self._made(ask, budget, make, turn)
            except ImgfetchError as error:
                failed = retry.failure(error.kind, error.message, ask.url, hint=error.hint)
                turn.learn(failed, reached=not isinstance(error, Unreachable))
                return failed
            turn.learn(made if isinstance(made, Failure) else None)
            return made

    async def _made(
        self, ask: Request, budget: TimeBudget, make: Callable[[Request], Awaitable[T]], turn: Slot
    ) -> T:
        """Return what `make` makes of a request, as soon as its address has room for one more connection."""
        busy: AddressBusy | None = None
        try:
            while True:
                try:
                    return await budget.run(make(ask))
                except AddressBusy as error:
                    if busy is not None:
                        busy.pass_on()
                    busy = error
                await turn.aside(busy.wait())
        finally:
            if busy is not None:
                busy.pass_on()
