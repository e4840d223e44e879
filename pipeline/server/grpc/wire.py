"""gRPC's additions to HTTP/2: message prefixes, compression, deadlines, and a status in the trailers.

References:
    https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

from urllib.parse import quote

import grpc

from pipeline.serving.api.content_encodings import decompress

__all__ = ["ACCEPTED_ENCODINGS", "CallError", "MessageReader", "parse_timeout", "status_trailers", "write_message"]

Trailers = tuple[tuple[str, str], ...]

ACCEPTED_ENCODINGS = b"identity,deflate,gzip"
_PREFIX_BYTES = 5  # 1 byte: whether the message is compressed; 4 bytes: its size
_COMPRESSIONS = (b"deflate", b"gzip")
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_MAX_DIGITS = 8
_UNESCAPED = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_OK: list[tuple[bytes, bytes]] = [(b"grpc-status", b"0")]


class CallError(Exception):
    """A call ends with a status that is not OK.

    Args:
        code: Status code.
        message: Message for the client.
        trailers: Additional trailing metadata.
    """

    def __init__(self, code: grpc.StatusCode, message: str, trailers: Trailers = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.trailers = trailers


class MessageReader:
    """Splits the body of a request into messages; refuses a message that is too large as soon as its size is known.

    Args:
        encoding: Header ``grpc-encoding``.
        max_bytes: Maximum size of a message, before and after decompression.

    Raises:
        CallError: The encoding is unknown.
    """

    def __init__(self, encoding: bytes | None, max_bytes: int) -> None:
        if encoding not in (None, b"identity", *_COMPRESSIONS):
            accepted = (("grpc-accept-encoding", ACCEPTED_ENCODINGS.decode()),)
            raise CallError(
                grpc.StatusCode.UNIMPLEMENTED, "grpc-encoding: identity, deflate or gzip is expected", accepted
            )
        self._encoding = encoding
        self._max_bytes = max_bytes
        self._pending = bytearray()

    @property
    def is_between(self) -> bool:
        """Return whether the bytes that were fed end at the end of a message."""
        return not self._pending

    def feed(self, data: bytes) -> list[bytes]:
        """Add received bytes, and return the messages that they complete.

        Raises:
            CallError: A message is too large, or is not compressed as the header ``grpc-encoding`` says.
        """
        size = len(data) - _PREFIX_BYTES
        if size >= 0 and data[0] == 0 and not self._pending and int.from_bytes(data[1:_PREFIX_BYTES]) == size:
            self._check(size)
            return [data[_PREFIX_BYTES:]]
        self._pending += data
        messages = []
        while len(self._pending) >= _PREFIX_BYTES:
            size = int.from_bytes(self._pending[1:_PREFIX_BYTES])
            self._check(size)
            end = _PREFIX_BYTES + size
            if len(self._pending) < end:
                break
            is_compressed, message = self._pending[0] == 1, bytes(self._pending[_PREFIX_BYTES:end])
            del self._pending[:end]
            messages.append(self._decompress(message) if is_compressed else message)
        return messages

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise CallError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"the message is too large: at most {self._max_bytes} bytes are expected",
            )

    def _decompress(self, message: bytes) -> bytes:
        if self._encoding not in _COMPRESSIONS:
            raise CallError(grpc.StatusCode.INTERNAL, "a compressed message is expected to name its grpc-encoding")
        try:
            content = decompress(message, self._encoding.decode(), self._max_bytes)
        except ValueError as error:
            raise CallError(grpc.StatusCode.INTERNAL, f"the message is {error}, as grpc-encoding says") from None
        self._check(len(content))
        return content


def write_message(message: bytes) -> bytes:
    """Return an uncompressed message with its prefix."""
    return b"\0%b%b" % (len(message).to_bytes(4), message)


def parse_timeout(value: bytes | None) -> float | None:
    """Return the value of a header ``grpc-timeout`` in seconds; None without the header.

    Raises:
        CallError: The header is invalid.
    """
    if value is None:
        return None
    text = value.decode("latin-1")
    digits, unit = text[:-1], text[-1:]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS and unit in _SECONDS):
        raise CallError(grpc.StatusCode.INTERNAL, "grpc-timeout: digits and a unit are expected")
    return int(digits) * _SECONDS[unit]


def status_trailers(error: CallError | None = None) -> list[tuple[bytes, bytes]]:
    """Return the trailers that end a call.

    Args:
        error: Error that ended the call; None for the status OK.
    """
    if error is None:
        return _OK
    code: int = error.code.value[0]
    return [
        (b"grpc-status", str(code).encode()),
        (b"grpc-message", quote(error.message, safe=_UNESCAPED).encode()),
        *((name.encode(), value.encode()) for name, value in error.trailers),
    ]
