"""Load over HTTP: connections that send one prepared request repeatedly.

A load generator must be faster than the server that it measures, but a Python client library takes more time than a
small model. The request's bytes are therefore prepared once, and httptools parses responses in uvloop's event loop.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from pipeline.contracts.errors import InvalidRequestError
from pipeline.load_test.load_level import LoadTally

__all__ = ["HttpTarget", "load_by_http"]

_PORTS = {"http": 80, "https": 443}
_DRAIN_SECONDS = 5.0  # seconds to wait for open responses at the end


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpTarget:
    """A server, and the request to send to it.

    Attributes:
        host: Name or address.
        port: TCP port.
        request: Bytes of the whole request: request line, headers, body.
        tls: TLS context for https; None for http.
    """

    host: str
    port: int
    request: bytes
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, url: str, body: bytes, headers: Mapping[str, str], tls: ssl.SSLContext | None = None) -> HttpTarget:
        """Prepare a POST request.

        Args:
            url: URL of the inference route, http or https.
            body: Body of the request.
            headers: Additional headers.
            tls: TLS context for https.

        Raises:
            InvalidRequestError: The URL has no host, or is not http or https.
        """
        address = urlsplit(url)
        if address.scheme not in _PORTS or not address.hostname:
            raise InvalidRequestError(f"'{url}' is not a URL of an API: http://HOST:PORT is expected")
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        fields = {"host": address.netloc.rpartition("@")[2], "content-length": str(len(body)), **headers}
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        return cls(
            host=address.hostname,
            port=address.port or _PORTS[address.scheme],
            request="\r\n".join(lines).encode("latin-1") + body,
            tls=tls if address.scheme == "https" else None,
        )


async def load_by_http(target: HttpTarget, clients: int, tally: LoadTally) -> None:
    """Send requests over ``clients`` connections until the tally ends.

    Args:
        target: Server and request.
        clients: Number of connections.
        tally: Counts the requests.

    Raises:
        OSError: A connection cannot be opened.
    """
    loop = asyncio.get_running_loop()
    connections: list[_LoadConnection] = []

    def connect() -> _LoadConnection:
        connections.append(_LoadConnection(target.request, tally))
        return connections[-1]

    try:
        for _ in range(clients):
            await loop.create_connection(connect, target.host, target.port, ssl=target.tls)
        tally.start(time.perf_counter())
        for connection in connections:
            connection.send()
        ended = [connection.ended for connection in connections]
        await asyncio.wait(ended, timeout=tally.end - time.perf_counter() + _DRAIN_SECONDS)
    finally:
        closed = [connection.close() for connection in connections]
        await asyncio.wait(closed, timeout=_DRAIN_SECONDS)


class _LoadConnection(asyncio.Protocol):
    """One client: the next request is sent when the response is complete."""

    def __init__(self, request: bytes, tally: LoadTally) -> None:
        self._request = request
        self._tally = tally
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._sent = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transport has the methods, but is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the open request as failed."""
        self._transport = None
        if not self._closed.done():
            self._closed.set_result(None)
        if not self.ended.done():
            self._tally.count(self._sent, time.perf_counter(), "connection lost")
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Parse a piece of a response."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._tally.count(self._sent, time.perf_counter(), "not HTTP")
            self.close()

    def send(self) -> None:
        """Send the request; after the tally has ended, close the connection instead."""
        self._sent = time.perf_counter()
        if self._transport is None:
            return
        if self._sent >= self._tally.end:
            self.close()
        else:
            self._transport.write(self._request)

    def close(self) -> asyncio.Future[None]:
        """Close the connection without counting the open request; return a future that is done once it is closed."""
        if not self.ended.done():
            self.ended.set_result(None)
        if self._transport is not None:
            self._transport.abort()
        elif not self._closed.done():  # the connection was never open
            self._closed.set_result(None)
        return self._closed

    def on_message_complete(self) -> None:
        """Count the response, and send the next request."""
        status = self._parser.get_status_code()
        error = None if status < 300 else f"HTTP {status}"
        self._tally.count(self._sent, time.perf_counter(), error)
        self.send()
