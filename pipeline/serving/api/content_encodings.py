"""Decompress bodies of HTTP requests and messages of gRPC.

References:
    https://www.rfc-editor.org/rfc/rfc9110#name-content-encoding
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from pipeline.contracts.errors import BodyTooLargeError, InvalidRequestError, UnsupportedMediaTypeError
from pipeline.serving.api.messages import HttpRequest

__all__ = ["decompress", "decompress_body"]

_WINDOW_BITS: Mapping[str, int] = {
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
    "deflate": zlib.MAX_WBITS,
}


def decompress_body(request: HttpRequest, max_bytes: int) -> HttpRequest:
    """Return the request with its body decompressed as the header ``content-encoding`` says.

    Args:
        request: The request.
        max_bytes: Maximum size of the decompressed body.

    Raises:
        UnsupportedMediaTypeError: The encoding is not supported.
        InvalidRequestError: The body does not have that encoding, or is truncated.
        BodyTooLargeError: The decompressed body is larger than ``max_bytes``.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return request
    if encoding not in _WINDOW_BITS:
        raise UnsupportedMediaTypeError("content-encoding: gzip, deflate or identity is expected")
    try:
        body = decompress(request.body, encoding, max_bytes)
    except ValueError as error:
        raise InvalidRequestError(f"the body is {error}, as content-encoding says") from None
    if len(body) > max_bytes:
        raise BodyTooLargeError(f"the body decompresses to more than {max_bytes} bytes, the maximum")
    return request._replace(body=body)


def decompress(content: bytes, encoding: str, max_bytes: int) -> bytes:
    """Return the decompressed content, or its first ``max_bytes`` + 1 bytes if it is larger than ``max_bytes``.

    Args:
        content: Compressed content.
        encoding: ``gzip``, ``x-gzip`` or ``deflate``.
        max_bytes: Maximum size of the decompressed content.

    Raises:
        ValueError: The content does not have that encoding, is truncated, or is followed by other bytes.
    """
    decompressor = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        decompressed = decompressor.decompress(content, max_bytes + 1)
    except zlib.error:
        raise ValueError(f"not compressed by {encoding}") from None
    if len(decompressed) <= max_bytes and (not decompressor.eof or decompressor.unused_data):
        raise ValueError(f"not one whole stream of {encoding}")
    return decompressed
