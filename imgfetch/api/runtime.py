"""The engine with its ports. Imported when a first request is needed, and not before."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

from imgfetch.decode.decode_executor import DecodeExecutor
from imgfetch.decode.extras import end_processes
from imgfetch.engine.engine import Engine
from imgfetch.ports import Ports
from imgfetch.system.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from imgfetch.api.stores import ClientStore
    from imgfetch.decode.sandbox import SandboxedDecoder
    from imgfetch.engine.events import Event
    from imgfetch.model.image import Defect, VerifyLevel
    from imgfetch.model.request import Limits, Settings
    from imgfetch.ports import Decoder
    from imgfetch.transports.factory import Network


class Runtime:
    """An engine with its transport, decoder and threads, on one event loop.

    It is closed with its client, and else at the end of its loop: `asyncio.run` closes every asynchronous
    generator that is open (`loop.shutdown_asyncgens`), and the life of a runtime is one.
    """

    def __init__(
        self,
        store: ClientStore,
        settings: Settings,
        network: Network,
        observe: Callable[[Event], None],
        *,
        sandbox: bool = False,
    ) -> None:
        self._transport = network.open(settings.limits)
        self._runner = DecodeExecutor(settings.limits.decode_memory, waits_for_disk=store.is_durable)
        self._sandbox = _sandbox(settings.limits) if sandbox else None
        decoder = self._sandbox or _decoder(settings.level)
        ports = Ports(self._transport, store, store.staging, store, decoder, SystemClock(), self._runner)
        self.engine = Engine(ports, settings, observe)
        self.loop = asyncio.get_running_loop()
        self.has_ended = False
        """True once it is closed, or about to be."""
        self._life = self._live()
        with suppress(StopIteration):  # it begins without waiting for anything
            self._life.__anext__().send(None)

    async def close(self) -> None:
        """Cancel all fetches, close every connection, and end every thread and process."""
        await self._life.aclose()

    async def _live(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self.has_ended = True
            await self._close()

    async def _close(self) -> None:
        async with AsyncExitStack() as left:  # each, whatever comes of the others
            left.callback(end_processes)
            if self._sandbox is not None:
                left.callback(self._sandbox.close)
            left.push_async_callback(asyncio.to_thread, self._runner.close)  # it waits for disk work
            left.push_async_callback(self._transport.close)
            await self.engine.close()


def _sandbox(limits: Limits) -> SandboxedDecoder:
    from imgfetch.decode.extra_decoder import sandboxed

    return sandboxed(limits)


def _decoder(level: VerifyLevel) -> Decoder:
    """Return Pillow's decoder, which is imported only where images are decoded."""
    if not level.decodes:
        return _Idle()
    from imgfetch.decode.pillow import PillowDecoder

    return PillowDecoder()


class _Idle:
    def decode(self, *_: object, **__: object) -> Defect | None:
        raise AssertionError("nothing is decoded at this level")

    def lack(self, _: object) -> Defect | None:
        return None
