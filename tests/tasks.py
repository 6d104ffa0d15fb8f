"""Checks of the tasks that a block starts."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def no_unretrieved_errors() -> Iterator[None]:
    """Check that the exception of every task that the block starts is retrieved: asyncio logs none."""
    loop, begun = asyncio.get_running_loop(), []

    def begin(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:  # noqa: ANN401 (asyncio's signature)
        begun.append(asyncio.Task(work, loop=loop, **options))
        return begun[-1]

    loop.set_task_factory(begin)
    yield
    loop.set_task_factory(None)
    assert begun
    assert not [task for task in begun if getattr(task, "_log_traceback", True)]
