"""One HTTP/1.1 connection: parse requests with httptools, hand them to the application in order, write responses.

A request that arrives in one piece, with a head that was parsed before, is not parsed again.

The limits of the sizes of headers and body are enforced before the bytes are stored; a slow request is ended after
``max_request_seconds``. Reading from a client pauses while it does not read its responses.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, MutableSet
from typing import cast
from urllib.parse import parse_qsl, unquote

import httptools

from pipeline.server.http.heads import HEAD_END, HeadCache
from pipeline.server.http.responses import CONTINUE, error_response, write_response
from pipeline.server.limits import ServerLimits
from pipeline.serving.api.messages import HttpRequest, HttpResponse

__all__ = ["HandleRequest", "HttpConnection"]

# Calls its second argument once with the response, now or later, in the thread of the event loop. Never raises.
HandleRequest = Callable[[HttpRequest, Callable[[HttpResponse], None]], None]
_MAX_PIPELINED = 16  # parsed requests that wait for the response before them
_BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


class _ReceivedRequest:
    """A request that is being received."""

    __slots__ = ("body", "body_bytes", "headers", "headers_bytes", "keep_alive", "method", "url")

    def __init__(self) -> None:
        self.url = b""
        self.headers: dict[str, str] = {}
        self.headers_bytes = 0
        self.body: list[bytes] = []
        self.body_bytes = 0
        self.method = ""
        self.keep_alive = True

    def finish(self) -> HttpRequest:
        """Return the request.

        Raises:
            ValueError: The request's target is not a URL.
        """
        url = httptools.parse_url(self.url) if not self.url.startswith(b"/") else None
        target = self.url if url is None else (url.path or b"/") + (b"?" + url.query if url.query else b"")
        path, _, query = target.decode("latin-1").partition("?")
        parameters = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        decoded = unquote(path, errors="strict") if "%" in path else path
        return HttpRequest(self.method, decoded, b"".join(self.body), self.headers, parameters)


class HttpConnection(asyncio.Protocol):
    """One client's connection.

    Args:
        handle: Responds to requests.
        limits: Bounds of sizes and times.
        connections: Open connections; contains this connection while it is open.
        clock: Returns seconds.
        heads: Heads that were parsed before, on any connection.
    """

    def __init__(
        self,
        handle: HandleRequest,
        limits: ServerLimits,
        connections: MutableSet[HttpConnection],
        clock: Callable[[], float],
        heads: HeadCache,
    ) -> None:
        self._handle_request = handle
        self._limits = limits
        self._connections = connections
        self._clock = clock
        self._heads = heads
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._request: _ReceivedRequest | None = None
        self._has_headers = False
        self._waiting: deque[tuple[HttpRequest, bool]] = deque()  # parsed requests, and whether to keep alive
        self._is_busy = False
        self._keeps_alive = True  # whether the connection stays open after the response to the current request
        self._is_head = False  # whether the current request is HEAD, so that its response has no body
        self._parsed: HttpRequest | None = None  # last request that the parser completed
        self._is_closing = False  # close after the responses to all received requests; ignore further bytes
        self._is_ending = False  # close after the next response, unless further requests wait
        self._is_reading = True
        self.deadline = clock() + limits.max_request_seconds

    # Connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection, or refuse it if there are too many."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transport has the methods, but is no subclass
        self._connections.add(self)
        if len(self._connections) > self._limits.max_connections:
            self._refuse(503, "the server has too many connections: try again later")

    def connection_lost(self, exc: Exception | None) -> None:
        """Unregister the connection and drop the waiting requests."""
        self._connections.discard(self)
        self._transport = None
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes."""
        if self._is_closing:
            return
        is_start = self._request is None
        if is_start and not self._is_busy and not self._waiting and self._handle_known(data):
            return
        self._parse(data)
        parsed, self._parsed = self._parsed, None
        if is_start and parsed is not None:
            self._heads.remember(data, parsed)

    def _parse(self, data: bytes) -> None:
        if self._request is not None and not self._has_headers:
            self._request.headers_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_closing = True  # the upgrade is declined: the response is HTTP/1.1
            self._parsed = None
            self._close_if_done()
        except httptools.HttpParserError:
            self._refuse(400, "the request is not HTTP/1.1")
        if self._request is not None and not self._has_headers:
            self._check_headers(max(self._request.headers_bytes, len(data)))

    def eof_received(self) -> bool:
        """Keep a half-closed connection open until its requests have responses."""
        self._is_closing = True
        if self._request is not None and not self._is_busy:
            return False
        return self._is_busy or bool(self._waiting)

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read its responses."""
        self._pause_reading()

    def resume_writing(self) -> None:
        """Resume reading from the client."""
        self._resume_reading()

    def expire(self, now: float) -> None:
        """Close the connection if it has been idle, or its request incomplete, for too long."""
        if now < self.deadline or self._is_busy:
            return
        if self._request is not None:
            self._refuse(408, f"the request was not complete after {self._limits.max_request_seconds:g} s")
        else:
            self._close()

    def announce_end(self) -> None:
        """Close the connection after its next response, which has the header ``connection: close``."""
        self._is_ending = True

    def drain(self) -> None:
        """Close the connection once its requests have responses."""
        self._is_closing = True
        self._close_if_done()

    @property
    def is_busy(self) -> bool:
        """Return whether a request waits for its response."""
        return self._is_busy or bool(self._waiting)

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._request = _ReceivedRequest()
        self._has_headers = False
        self.deadline = self._clock() + self._limits.max_request_seconds

    def on_url(self, url: bytes) -> None:
        """Append a piece of the request's target."""
        assert self._request is not None
        self._request.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header."""
        request = self._request
        assert request is not None
        request.headers_bytes += len(name) + len(value) + 4
        request.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._check_headers(request.headers_bytes)

    def on_headers_complete(self) -> None:
        """Refuse a body whose announced size is too large, before the client sends it."""
        request = self._request
        assert request is not None
        self._has_headers = True
        request.method = self._parser.get_method().decode("latin-1")
        request.keep_alive = self._parser.should_keep_alive()
        announced = request.headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > self._limits.max_body_bytes:
            self._refuse_body()
        elif request.headers.get("expect", "").lower() == "100-continue" and request.method not in _BODILESS:
            self._write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Append a piece of the body."""
        request = self._request
        assert request is not None
        if self._is_closing:
            return
        request.body_bytes += len(body)
        if request.body_bytes > self._limits.max_body_bytes:
            self._refuse_body()
        else:
            request.body.append(body)

    def on_message_complete(self) -> None:
        """Queue the request, and pass the next one to the application if no other request is running."""
        received, self._request = self._request, None
        if received is None or self._is_closing:
            return
        try:
            request = received.finish()
        except (ValueError, httptools.HttpParserError):
            self._refuse(400, "the request's target is not a URL")
            return
        self._parsed = request if received.keep_alive else None
        self._waiting.append((request, received.keep_alive))
        if len(self._waiting) > _MAX_PIPELINED:
            self._pause_reading()
        self._handle_next()

    # Requests

    def _handle_known(self, data: bytes) -> bool:
        """Handle bytes that are one complete request with a known head; return False for other bytes."""
        head_bytes = data.find(HEAD_END) + len(HEAD_END)
        head = self._heads.find(data[:head_bytes])
        if head is None or len(data) != head_bytes + head.body_bytes:
            return False
        method, path, headers, query, _ = head
        self._handle(HttpRequest(method, path, data[head_bytes:], headers, query), keeps_alive=True)
        return True

    def _handle_next(self) -> None:
        while self._waiting and not self._is_busy and self._transport is not None:
            request, keeps_alive = self._waiting.popleft()
            self._handle(request, keeps_alive=keeps_alive)

    def _handle(self, request: HttpRequest, *, keeps_alive: bool) -> None:
        self._is_busy = True
        self._keeps_alive = keeps_alive
        self._is_head = request.method == "HEAD"
        self._handle_request(request, self._respond)

    def _respond(self, response: HttpResponse) -> None:
        self._is_busy = False
        if self._transport is None:
            return
        is_last = not self._keeps_alive or ((self._is_closing or self._is_ending) and not self._waiting)
        self._write(write_response(response, keep_alive=not is_last, head_only=self._is_head))
        self.deadline = self._clock() + self._limits.max_idle_seconds
        if is_last:
            self._close()
            return
        if not self._is_reading and len(self._waiting) <= _MAX_PIPELINED:
            self._resume_reading()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._handle_next)

    def _check_headers(self, size: int) -> None:
        if size > self._limits.max_header_bytes:
            limit = self._limits.max_header_bytes
            self._refuse(431, f"the headers are too large: at most {limit} bytes are expected")

    def _refuse_body(self) -> None:
        self._refuse(413, f"the body is too large: at most {self._limits.max_body_bytes} bytes are expected")

    def _refuse(self, status: int, message: str) -> None:
        """Respond with an error and close; if earlier requests wait for responses, close after those, without error."""
        if self._is_closing:
            return
        self._is_closing = True
        self._request = None
        if self.is_busy:
            return
        self._write(write_response(error_response(status, message), keep_alive=False))
        self._close()

    # Transport

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _pause_reading(self) -> None:
        if self._transport is not None and self._is_reading:
            self._is_reading = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._transport is not None and not self._is_reading:
            self._is_reading = True
            self._transport.resume_reading()

    def _close_if_done(self) -> None:
        if not self.is_busy:
            self._close()

    def _close(self) -> None:
        self._is_closing = True
        if self._transport is not None:
            self._transport.close()
