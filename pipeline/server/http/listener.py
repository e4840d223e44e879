"""Listen for HTTP connections."""

from __future__ import annotations

import asyncio
import socket
import ssl

from pipeline.server.http.heads import HeadCache
from pipeline.server.http.protocol import HandleRequest, HttpConnection
from pipeline.server.limits import ServerLimits

__all__ = ["HttpListener"]

_SWEEP_SECONDS = 0.5  # seconds between two checks for expired connections
_BACKLOG = 2048
_QUIET_SECONDS = 0.5  # seconds from the start of the shutdown until idle connections are closed


class HttpListener:
    """Accepts HTTP connections on a bound socket.

    Args:
        handle: Responds to requests.
        limits: Bounds of sizes and times.
    """

    def __init__(self, handle: HandleRequest, limits: ServerLimits) -> None:
        self._handle = handle
        self._limits = limits
        self._connections: set[HttpConnection] = set()
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self, bound: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Start accepting connections on a bound socket."""
        loop = asyncio.get_running_loop()
        heads = HeadCache()
        self._server = await loop.create_server(
            lambda: HttpConnection(self._handle, self._limits, self._connections, loop.time, heads),
            sock=bound,
            ssl=tls,
            backlog=_BACKLOG,
        )
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Refuse new connections, wait for the responses to open requests, and close all connections."""
        assert self._server is not None
        assert self._sweeper is not None
        loop = asyncio.get_running_loop()
        self._server.close()
        for connection in self._connections:
            connection.announce_end()
        # Idle connections are not closed at once, because a request may be on its way; its response announces the end.
        quiet = loop.time() + _QUIET_SECONDS
        deadline = loop.time() + self._limits.max_drain_seconds
        while self._connections and loop.time() < deadline:
            if loop.time() >= quiet:
                for connection in list(self._connections):
                    connection.drain()
            await asyncio.sleep(0.01)
        self._sweeper.cancel()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = loop.time()
            for connection in list(self._connections):
                connection.expire(now)
