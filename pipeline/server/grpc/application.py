"""gRPC as an ASGI application, for any ASGI server with HTTP/2 and the extension for trailers.

References:
    https://asgi.readthedocs.io/en/latest/extensions.html#http-trailers
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

import grpc

from pipeline.server.grpc.wire import (
    ACCEPTED_ENCODINGS,
    CallError,
    MessageReader,
    parse_timeout,
    status_trailers,
    write_message,
)
from pipeline.server.limits import ServerLimits

__all__ = ["CallContext", "Exchange", "GrpcApplication", "Method", "Unary", "Watch"]

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

_TRAILERS = "http.response.trailers"
_CONTENT_TYPE = (b"content-type", b"application/grpc")
_START: Event = {
    "type": "http.response.start",
    "status": 200,
    "headers": [_CONTENT_TYPE, (b"grpc-accept-encoding", ACCEPTED_ENCODINGS)],
    "trailers": True,
}


class CallContext:
    """One call: its metadata and its deadline.

    Args:
        headers: Headers of the request.

    Attributes:
        seconds: Seconds from the arrival of the call to its deadline; None without a deadline.

    Raises:
        CallError: The header ``grpc-timeout`` is invalid.
    """

    __slots__ = ("_headers", "seconds")

    def __init__(self, headers: Mapping[bytes, bytes]) -> None:
        self._headers = headers
        self.seconds = parse_timeout(headers.get(b"grpc-timeout"))

    def get(self, name: str) -> str | None:
        """Return a header by its name in lower case."""
        value = self._headers.get(name.encode())
        return None if value is None else value.decode("latin-1")


class Unary(NamedTuple):
    """A method with one request and one response.

    Attributes:
        respond: Takes the serialized request and returns the serialized response; raises CallError if the call fails.
    """

    respond: Callable[[bytes, CallContext], Awaitable[bytes]]


class Exchange(NamedTuple):
    """A streaming method that sends one response per request, in the order of the requests.

    Attributes:
        respond: Takes a serialized request and returns its serialized response.
    """

    respond: Callable[[bytes], bytes]


class Watch(NamedTuple):
    """A method with one request, which sends responses until the client or the server ends the call.

    Attributes:
        respond: Takes the serialized request, and a function that sends a serialized response.
    """

    respond: Callable[[bytes, Callable[[bytes], Awaitable[None]]], Awaitable[None]]


Method = Unary | Exchange | Watch


class _ClientLeftError(Exception):
    """The client has canceled the call, or closed its connection."""


class GrpcApplication:
    """Responds to calls. Used in the thread of the event loop.

    Args:
        methods: Method by its path, ``/package.Service/Method``.
        limits: Bounds of sizes and times.
        report: Called with each unexpected error, which ends its call with the status INTERNAL.
    """

    def __init__(
        self, methods: Mapping[str, Method], limits: ServerLimits, report: Callable[[Exception], object]
    ) -> None:
        self._methods = methods
        self._limits = limits
        self._report = report
        self._watches: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Respond to one call, as an ASGI application."""
        headers = dict(scope["headers"])
        is_call = headers.get(b"content-type", b"").startswith(b"application/grpc") and scope["method"] == "POST"
        if not is_call or _TRAILERS not in scope.get("extensions", ()):
            await _refuse(send)
            return
        response = _Response(send)
        try:
            await self._respond(scope["path"], headers, receive, response)
        except CallError as error:
            await response.end(error)
        except (_ClientLeftError, OSError):
            return  # no client would read a response
        except Exception as error:  # noqa: BLE001 - the outermost edge: a failed call must not end the server
            self._report(error)
            await response.end(CallError(grpc.StatusCode.INTERNAL, "internal error"))

    def end_watches(self) -> None:
        """End the calls of Watch methods, which would otherwise last until their clients end them."""
        for watch in self._watches:
            watch.cancel()

    async def _respond(self, path: str, headers: Mapping[bytes, bytes], receive: Receive, response: _Response) -> None:
        method = self._methods.get(path)
        if method is None:
            raise CallError(grpc.StatusCode.UNIMPLEMENTED, "there is no such method")
        context = CallContext(headers)
        reader = MessageReader(headers.get(b"grpc-encoding"), self._limits.max_body_bytes)
        if isinstance(method, Exchange):
            await self._exchange(method, reader, receive, response)
        else:
            message = await self._read_message(reader, receive)
            if isinstance(method, Watch):
                await self._watch(method, message, receive, response)
            else:
                await response.write(await method.respond(message, context), is_last=True)
        await response.end()

    async def _read_message(self, reader: MessageReader, receive: Receive) -> bytes:
        """Return the only message of a request."""
        event = await receive()
        if event["type"] == "http.disconnect":
            raise _ClientLeftError
        messages = reader.feed(event.get("body", b""))
        if event.get("more_body"):
            try:
                async with asyncio.timeout(self._limits.max_request_seconds):
                    while event.get("more_body") and len(messages) <= 1:  # a second message is an error: stop reading
                        event = await receive()
                        if event["type"] == "http.disconnect":
                            raise _ClientLeftError
                        messages += reader.feed(event.get("body", b""))
            except TimeoutError:
                limit = self._limits.max_request_seconds
                raise CallError(
                    grpc.StatusCode.DEADLINE_EXCEEDED, f"the request was not complete after {limit:g} s"
                ) from None
        if len(messages) != 1 or not reader.is_between:
            raise CallError(grpc.StatusCode.INTERNAL, "one whole message is expected")
        return messages[0]

    async def _exchange(self, method: Exchange, reader: MessageReader, receive: Receive, response: _Response) -> None:
        more_body = True
        while more_body:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise _ClientLeftError
            for message in reader.feed(event.get("body", b"")):
                await response.write(method.respond(message))
            more_body = event.get("more_body", False)

    async def _watch(self, method: Watch, message: bytes, receive: Receive, response: _Response) -> None:
        async def respond() -> None:
            await method.respond(message, response.write)

        async def wait_for_end() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        tasks = {asyncio.create_task(respond()), asyncio.create_task(wait_for_end())}
        self._watches |= tasks
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            self._watches -= tasks
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


class _Response:
    """Sends the response of a call."""

    __slots__ = ("_has_ended", "_has_started", "_send")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._has_started = False
        self._has_ended = False  # whether the last message was sent

    async def write(self, message: bytes, *, is_last: bool = False) -> None:
        """Send a message."""
        await self._start()
        self._has_ended = is_last
        await self._send({"type": "http.response.body", "body": write_message(message), "more_body": not is_last})

    async def end(self, error: CallError | None = None) -> None:
        """Send the status in the trailers, which end the call."""
        try:
            await self._start()
            if not self._has_ended:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            await self._send({"type": _TRAILERS, "headers": status_trailers(error), "more_trailers": False})
        except OSError:
            return  # the client has disconnected

    async def _start(self) -> None:
        if not self._has_started:
            self._has_started = True
            await self._send(_START)


async def _refuse(send: Send) -> None:
    body = b"a call of gRPC is expected: POST, content-type: application/grpc, te: trailers"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 415, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
