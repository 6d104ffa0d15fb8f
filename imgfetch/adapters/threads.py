"""Worker threads for what would block the event loop."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class ThreadRunner:
    """`ports.Runner` on a pool of threads: image decoders and disk syncs let go of the interpreter lock."""

    def __init__(self) -> None:
        # One for each core to decode, and one that mostly waits for the disk: of more that decode at the
        # same time each takes longer, and as much memory.
        self._pool = ThreadPoolExecutor((os.cpu_count() or 1) + 1, thread_name_prefix="imgfetch")

    async def run(self, work: Callable[[], T]) -> T:
        """Give `work()` to a thread. Where the caller is cancelled, the work is waited for all the same."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            # The work holds a ticket of the store: who cancels, however often, may discard it only when it
            # is done.
            while not future.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            future.exception()  # nobody is there to hear of it
            raise
        return future.result()

    def close(self) -> None:
        """Wait for what is under way, and end the threads."""
        self._pool.shutdown()
