"""Compressed bodies of requests.

References:
    https://www.rfc-editor.org/rfc/rfc9110#name-content-encoding
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from pipeline.contracts.errors import BodyTooLargeError, InvalidRequestError, UnsupportedMediaTypeError
from pipeline.serving.api.messages import HttpRequest

__all__ = ["decompress_body"]

_WINDOW_BITS: Mapping[str, int] = {
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
    "deflate": zlib.MAX_WBITS,
}


def decompress_body(request: HttpRequest, max_bytes: int) -> HttpRequest:
    """Return the request with the body that its header ``content-encoding`` says is compressed.

    Args:
        request: The request.
        max_bytes: Maximum size of the decompressed body.

    Raises:
        UnsupportedMediaTypeError: The encoding is none that is read.
        InvalidRequestError: The body is not compressed so, or is truncated.
        BodyTooLargeError: It decompresses to more than ``max_bytes``.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return request
    window_bits = _WINDOW_BITS.get(encoding)
    if window_bits is None:
        raise UnsupportedMediaTypeError("content-encoding: gzip, deflate or identity is expected")
    decompressor = zlib.decompressobj(window_bits)
    try:
        body = decompressor.decompress(request.body, max_bytes + 1)
    except zlib.error:
        raise InvalidRequestError(f"the body is not compressed by {encoding}, as content-encoding says") from None
    if len(body) > max_bytes:
        raise BodyTooLargeError(f"the body decompresses to more than {max_bytes} bytes, the maximum")
    if not decompressor.eof or decompressor.unused_data:
        raise InvalidRequestError(f"the body is not one whole stream of {encoding}, as content-encoding says")
    return request._replace(body=body)
