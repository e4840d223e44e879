"""AWS's Lambda Runtime API for one instance of a function.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html: the runtime requests the next event and waits; it posts
the response or the error. If it cannot load the handler, it posts an initialization error.
"""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Invocation", "RuntimeApi", "RuntimeResponse"]

_MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100  # Lambda's limit: 6,291,556
_JSON = "application/json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """One call of a function.

    Attributes:
        request_id: Id of the call.
        event: JSON of the event.
        function_arn: ARN of the function.
        seconds: Timeout of the call.
        trace_id: X-Ray trace header; empty without one.
    """

    request_id: str
    event: bytes
    function_arn: str
    seconds: float
    trace_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeResponse:
    """Response of a call.

    Attributes:
        body: JSON of the handler's result; if ``failed``, JSON of the error (errorType, errorMessage).
        failed: Whether the body is an error.
        log: Output of the function during the call.
    """

    body: bytes
    failed: bool = False
    log: str = ""

    @classmethod
    def error(cls, kind: str, message: str) -> RuntimeResponse:
        """Return an error response."""
        return cls(body=json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)


class RuntimeApi:
    """Serves the API at ``address``: passes invocations to the runtime one at a time, and collects the responses."""

    def __init__(self) -> None:
        self.ready = threading.Event()  # the runtime has loaded the handler and asked for the first event
        self.responses: queue.SimpleQueue[RuntimeResponse] = queue.SimpleQueue()
        self._invocations: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._closed = False
        self._server = _Server(("127.0.0.1", 0), _Exchange)
        self._server.api = self
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._serve, name="runtime-api", daemon=True).start()

    def submit(self, invocation: Invocation) -> None:
        """Queue an invocation."""
        self._invocations.put(invocation)

    def next(self) -> Invocation | None:
        """Wait for the next invocation; return None after ``close``."""
        self.ready.set()
        return self._invocations.get()

    def close(self) -> None:
        """Release a waiting runtime, and stop listening."""
        self._closed = True
        self._invocations.put(None)
        with suppress(OSError):  # the server has already stopped
            socket.create_connection(("127.0.0.1", self._server.server_port)).close()

    def _serve(self) -> None:
        """Handle requests until closed. serve_forever would wake up twice a second in each of many instances."""
        while not self._closed:
            self._server.handle_request()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    api: RuntimeApi

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the broken connection of a runtime that was killed: the instance notices that the process ended."""


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet per response
    server: _Server

    def do_GET(self) -> None:
        """Send the next invocation: ``GET /2018-06-01/runtime/invocation/next``."""
        invocation = self.server.api.next()
        if invocation is None:
            self._reply(HTTPStatus.GONE)
            return
        self._reply(
            HTTPStatus.OK,
            invocation.event,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + invocation.seconds) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                "Lambda-Runtime-Trace-Id": invocation.trace_id,
            },
        )

    def do_POST(self) -> None:
        """Take a response or an error: ``POST .../{id}/response``, ``.../{id}/error`` or ``.../init/error``."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if len(body) > _MAX_RESPONSE_BYTES:
            text = f"Response payload size exceeded maximum allowed payload size ({_MAX_RESPONSE_BYTES} bytes)."
            self.server.api.responses.put(RuntimeResponse.error("Function.ResponseSizeTooLarge", text))
            self._reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b'{"errorType": "RequestEntityTooLarge"}')
            return
        self.server.api.responses.put(RuntimeResponse(body=body, failed=self.path.endswith("/error")))
        self._reply(HTTPStatus.ACCEPTED, b'{"status": "OK"}')

    def _reply(self, status: HTTPStatus, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": _JSON, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Log nothing: functions log for themselves."""
