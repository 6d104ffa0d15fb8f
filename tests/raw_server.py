"""A raw server in the event loop of a test, for a transport that the test looks into."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from imgfetch.http.pool import Http1Pool


class RawServer(Protocol):
    """A server: how it serves a connection, the writers of all connections, and the transport under test."""

    port: int

    @property
    def transport(self) -> Http1Pool: ...

    @property
    def writers(self) -> Sequence[asyncio.StreamWriter]: ...

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...


S = TypeVar("S", bound=RawServer)


@asynccontextmanager
async def listening(made: S) -> AsyncIterator[S]:
    """Serve on every address of this machine for the block, then close the transport and all connections."""
    server = await asyncio.start_server(made.serve, "0.0.0.0", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        await made.transport.close()
        server.close()
        for writer in made.writers:
            writer.close()
        await server.wait_closed()
