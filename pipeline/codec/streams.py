"""LZMA streams: the standard library's codec, so that the inference layer does not grow."""

from __future__ import annotations

import lzma
from typing import Any

__all__ = ["MODELS", "compress", "decompress"]

# LZMA's lc, lp and pb. (0, 0, 0) suits symbols that are drawn independently, such as codebook indices: the range coder
# then comes close to their entropy. (3, 0, 0) suits text, (0, 2, 2) words of four bytes.
MODELS = ((0, 0, 0), (3, 0, 0), (0, 2, 2))
_MIN_DICTIONARY = 4096  # LZMA's own minimum
_MAX_DICTIONARY = 1 << 26  # bytes that unpacking may need beside the file


def compress(content: bytes, model: int) -> bytes:
    """Return ``content`` as one raw LZMA stream with an end marker; ``model`` is an index of MODELS."""
    return lzma.compress(content, format=lzma.FORMAT_RAW, filters=_filters(len(content), model))


def decompress(stream: bytes, size: int, model: int) -> bytes:
    """Return the ``size`` bytes that a stream holds.

    Raises:
        ValueError: The stream is damaged, or holds another number of bytes.
    """
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_filters(size, model))
    try:
        content = decoder.decompress(stream, max_length=size)
    except lzma.LZMAError as error:
        raise ValueError(f"a stream of the packed model file is damaged: {error}") from error
    if len(content) != size:
        raise ValueError(f"a stream of the packed model file holds {len(content)} bytes, {size} are expected")
    return content


def _filters(size: int, model: int) -> list[dict[str, Any]]:
    dictionary = min(max(_MIN_DICTIONARY, 1 << (size - 1).bit_length() if size else 0), _MAX_DICTIONARY)
    literal_context, literal_position, position = MODELS[model]
    return [
        {
            "id": lzma.FILTER_LZMA1,
            "preset": 6,
            "dict_size": dictionary,
            "lc": literal_context,
            "lp": literal_position,
            "pb": position,
        }
    ]
