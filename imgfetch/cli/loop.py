"""The event loop that a command runs on, imported when it is needed."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from imgfetch.cli.exits import Terminated

if TYPE_CHECKING:
    from collections.abc import Coroutine


def run(work: Coroutine[None, None, None]) -> None:
    """Run `work` to its end, or until a signal ends it: it is cancelled then, and may tidy up."""

    async def guarded() -> None:
        # SIGINT is asyncio's own: it cancels this task too, and ends in a KeyboardInterrupt.
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (we are running in it)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await work

    before = signal.getsignal(signal.SIGTERM)
    try:
        asyncio.run(guarded())
    except asyncio.CancelledError:
        raise Terminated from None
    finally:
        signal.signal(signal.SIGTERM, before)  # which the loop, as it is closed, would leave at its default
