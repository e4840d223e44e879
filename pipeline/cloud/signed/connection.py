"""A persistent HTTP/1.1 connection with httptools, which is imported in a fifth of the time of http.client.

``ssl`` is imported only for an https endpoint.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult

import httptools

__all__ = ["BrokenResponseError", "ServiceConnection", "ServiceResponse"]

_MAX_HEAD_BYTES = 65_536
_PIECE_BYTES = 262_144
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)
_QUICK_ACK = getattr(socket, "TCP_QUICKACK", None)  # only on Linux


class BrokenResponseError(ConnectionError):
    """A response is not HTTP/1.1, or the connection was closed before the end of the response."""


class ServiceResponse(NamedTuple):
    """A response of a service.

    Attributes:
        status: HTTP status.
        body: Complete body.
    """

    status: int
    body: bytes


class ServiceConnection:
    """A connection for one thread at a time.

    Redirects are returned like other responses. A response must have a length or be chunked: a response that ends with
    the connection raises BrokenResponseError, because a truncated response would look the same.

    Args:
        endpoint: Scheme, host and port. The certificate of an https endpoint must be for this host, from an authority
            that the system trusts.
        timeout: Maximum seconds without a received byte.

    Attributes:
        is_open: Whether another request can be sent.

    Raises:
        OSError: The server does not respond, or its certificate is not valid.
    """

    def __init__(self, endpoint: SplitResult, *, timeout: float) -> None:
        is_tls = endpoint.scheme == "https"
        name = endpoint.hostname or ""
        host = name.encode("ascii" if name.isascii() else "idna")  # for a str, Python would import the codec idna
        address: Any = (host, endpoint.port or (443 if is_tls else 80))
        self._host = endpoint.netloc
        if is_tls:
            from pipeline.cloud.signed.tls import open_tls  # noqa: PLC0415 - not needed for an http endpoint

            self._socket: socket.socket = open_tls(address, host, timeout=timeout)
        else:
            self._socket = socket.create_connection(address, timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_open = True

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> ServiceResponse:
        """Send a request and return its response.

        Args:
            method: HTTP method, not HEAD.
            path: Path, percent-encoded.
            headers: Headers by name.
            body: Body.

        Raises:
            OSError: The server does not respond.
            BrokenResponseError: The response is not HTTP/1.1, or is truncated.
            ValueError: The path or a header is not printable ASCII, or the path has a space.
        """
        head = _write_head(method, path, self._host, headers, body)
        self.is_open = False
        self._socket.sendall(head + body)
        reader = _ResponseReader()
        while reader.response is None:
            if _QUICK_ACK is not None:  # a delayed ACK would make a server wait 40 ms between response head and body
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
            reader.feed(self._socket.recv(_PIECE_BYTES))
        self.is_open = reader.keeps_alive
        return reader.response

    def is_dropped(self) -> bool:
        """Return whether the server has closed the idle connection, or sent bytes without a request."""
        with _Selector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return bool(selector.select(0))

    def close(self) -> None:
        """Close the connection."""
        self.is_open = False
        self._socket.close()


class _ResponseReader:
    """Reads one response from pieces of bytes; skips informational (1xx) responses before it."""

    def __init__(self) -> None:
        self._parser: Any = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._head_bytes = 0
        self._has_head = False
        self.response: ServiceResponse | None = None
        self.keeps_alive = False

    def feed(self, data: bytes) -> None:
        if not data:
            raise BrokenResponseError("the connection was closed before the response's end")
        self._head_bytes += 0 if self._has_head else len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.keeps_alive = False
            if self.response is None:
                raise BrokenResponseError("the response is not HTTP/1.1") from error
        if not self._has_head and self._head_bytes > _MAX_HEAD_BYTES:
            raise BrokenResponseError(f"the response's headers have more than {_MAX_HEAD_BYTES} bytes")
        if self.response is not None:
            self._parser = None  # breaks the reference cycle, which would hold the body until a garbage collection

    def on_message_begin(self) -> None:
        self.keeps_alive = False  # no request belongs to a second response

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, piece: bytes) -> None:
        self._body.append(piece)

    def on_message_complete(self) -> None:
        status: int = self._parser.get_status_code()
        if self.response is not None:
            return
        if status < 200:
            self._has_head = False
            return
        self.response = ServiceResponse(status, b"".join(self._body))
        self.keeps_alive = self._parser.should_keep_alive()


def _write_head(method: str, path: str, host: str, headers: Mapping[str, str], body: bytes) -> bytes:
    fields = {"host": host, "accept-encoding": "identity", **headers}
    if body:
        fields["content-length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    if " " in path or not all(line.isascii() and line.isprintable() for line in lines):
        raise ValueError("a request's path and headers must be printable ASCII, the path without spaces")
    return "\r\n".join((*lines, "", "")).encode("ascii")
