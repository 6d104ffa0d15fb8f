"""Runs the event loop of a command; imported only by runs that need one."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from imgfetch.cli.process import signals
from imgfetch.decode.malloc import tune_memory
from imgfetch.decode.native.libtiff import silence_messages

if TYPE_CHECKING:
    from collections.abc import Coroutine


def run(work: Coroutine[None, None, None]) -> None:
    """Run `work` to its end; a signal cancels it and lets it clean up."""
    tune_memory()
    silence_messages()
    received: list[int] = []
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    def stop(number: int, _frame: object) -> None:
        signals.limit_cleanup(number)
        received.append(number)
        for loop, task in running:
            loop.call_soon_threadsafe(task.cancel)

    async def guarded() -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (we are running in it)
        running.append((asyncio.get_running_loop(), task))
        if received:  # before the task existed
            task.cancel()
        try:
            await work
        finally:
            running.clear()

    before = {number: signal.getsignal(number) for number in signals.ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        asyncio.run(guarded())
    except asyncio.CancelledError:
        if not received:
            raise
        raise signals.exception_for(received[0]) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
