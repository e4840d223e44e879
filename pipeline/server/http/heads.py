"""Remember heads of requests: a client sends the same bytes with most of its requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.serving.api.messages import HttpRequest

__all__ = ["HEAD_END", "KnownHeads", "RequestHead"]

HEAD_END = b"\r\n\r\n"
_MAX_HEADS = 4_096
_MAX_HEAD_BYTES = 2_048


class RequestHead(NamedTuple):
    """First line and headers of a request whose connection stays open, as the parser read them.

    Attributes:
        method: Method in upper case.
        path: Path without query; decoded.
        headers: Header by name in lower case.
        query: Query parameter by name.
        body_bytes: Size of the body.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body_bytes: int


class KnownHeads:
    """Remembers heads by their bytes. Used in the thread of the event loop.

    Only heads of requests that the parser accepted as one whole are remembered: equal bytes are always read as the
    parser reads them.

    Attributes:
        find: Returns the head that has these bytes; None if there is none.
    """

    def __init__(self) -> None:
        self._heads: dict[bytes, RequestHead] = {}
        self.find = self._heads.get

    def remember(self, data: bytes, request: HttpRequest) -> None:
        """Remember the head of a request.

        Args:
            data: All bytes that came since the request before it, of which the parser made this one request.
            request: The request.
        """
        head_bytes = data.find(HEAD_END) + len(HEAD_END)
        announced = request.headers.get("content-length", "0")
        if (
            head_bytes > _MAX_HEAD_BYTES
            or "transfer-encoding" in request.headers
            or announced != str(len(request.body))
            or data[head_bytes:] != request.body
        ):
            return
        if len(self._heads) >= _MAX_HEADS:
            self._heads.clear()
        self._heads[data[:head_bytes]] = RequestHead(
            request.method, request.path, request.headers, request.query, len(request.body)
        )
