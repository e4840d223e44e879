"""Cache parsed heads of requests: a client sends the same head bytes with most of its requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.serving.api.messages import HttpRequest

__all__ = ["HEAD_END", "HeadCache", "RequestHead"]

HEAD_END = b"\r\n\r\n"
_MAX_HEADS = 4_096
_MAX_HEAD_BYTES = 2_048


class RequestHead(NamedTuple):
    """Parsed first line and headers of a request that keeps its connection open.

    Attributes:
        method: Method in upper case.
        path: Decoded path without the query.
        headers: Header by name in lower case.
        query: Query parameter by name.
        body_bytes: Size of the body.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body_bytes: int


class HeadCache:
    """Parsed heads by their bytes. Used in the thread of the event loop.

    Only heads of requests that arrived in one piece and that the parser accepted are remembered, so that equal bytes
    always have the same meaning as for the parser.

    Attributes:
        find: Returns the parsed head for bytes; None if these bytes are not remembered.
    """

    def __init__(self) -> None:
        self._heads: dict[bytes, RequestHead] = {}
        self.find = self._heads.get

    def remember(self, data: bytes, request: HttpRequest) -> None:
        """Remember the head of a request.

        Args:
            data: All bytes received since the previous request, which the parser read as this one request.
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
