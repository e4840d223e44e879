"""Log one JSON line per request, with names, sizes and counts, but never with rows, keys or queries."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, BinaryIO

import orjson

__all__ = ["AccessLog"]


class AccessLog:
    """Writes log lines.

    Args:
        stream: Stream to write to; None to write nothing.
    """

    def __init__(self, stream: BinaryIO | None) -> None:
        self._stream = stream

    @property
    def is_on(self) -> bool:
        """Return whether lines are written."""
        return self._stream is not None

    def write(self, protocol: str, status: str, seconds: float, facts: Mapping[str, Any], **more: Any) -> None:
        """Log a request.

        Args:
            protocol: ``http`` or ``grpc``.
            status: HTTP status, or gRPC code.
            seconds: Duration of the request.
            facts: ``tenant``, ``model``, ``version`` and ``rows`` of a prediction.
            more: Additional fields.
        """
        self._write_line({"protocol": protocol, "status": status, "ms": round(seconds * 1e3, 3), **facts, **more})

    def report(self, message: str, **facts: Any) -> None:
        """Log an event of the server."""
        self._write_line({"message": message, **facts})

    def _write_line(self, fields: Mapping[str, Any]) -> None:
        if self._stream is not None:
            line = {"time": round(time.time(), 3), **fields}
            self._stream.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            self._stream.flush()
