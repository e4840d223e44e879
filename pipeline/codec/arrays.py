"""Encodings of an array: plain, byte planes, codebook, sparse.

The sparse and codebook encodings are those of Deep Compression (Han et al. 2016, arXiv:1510.00149): gaps between the
elements that are not zero, and indices into the table of their distinct values. LZMA's range coder replaces the
paper's Huffman code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.codec.streams import StreamReader, StreamWriter, estimate_size

__all__ = ["Words", "read_array", "write_array"]

Streams = dict[str, bytes]  # name of a stream -> its bytes
Words = npt.NDArray[Any]  # a tensor's elements as unsigned integers, so that 0.0 and -0.0 differ

_MAX_CODES = 1 << 16  # distinct values of a codebook: an index has at most two bytes before LZMA
_BYTE = 256
_SKIP = 255  # a code for 255 zeros without a weight after them; smaller codes are gaps before a weight


def _encode_plain(words: Words) -> Streams:
    """Return the elements unchanged: LZMA finds repeated rows."""
    return {"words": words.tobytes()}


def _decode_plain(streams: Mapping[str, bytes], dtype: npt.DTypeLike, count: int) -> Words:
    return np.frombuffer(streams["words"], dtype)


def _encode_planes(words: Words) -> Streams:
    """Return the first bytes of all elements, then all second bytes, ...: exponents are similar, mantissas are not."""
    planes = words.view(np.uint8).reshape(len(words), words.itemsize).T
    return {f"plane{number}": plane.tobytes() for number, plane in enumerate(planes)}


def _decode_planes(streams: Mapping[str, bytes], dtype: npt.DTypeLike, count: int) -> Words:
    width = np.dtype(dtype).itemsize
    return _join_planes(b"".join(streams[f"plane{number}"] for number in range(width)), dtype)


def _join_planes(planes: bytes, dtype: npt.DTypeLike) -> Words:
    """Return the elements of planes that are joined in one stream."""
    rows = np.frombuffer(planes, np.uint8).reshape(np.dtype(dtype).itemsize, -1)
    return np.ascontiguousarray(rows.T).view(dtype).ravel()


def _encode_codebook(words: Words) -> Streams | None:
    """Return indices into the table of distinct values, as one byte, or as low and high bytes; None if too many."""
    codebook, codes = np.unique(words, return_inverse=True)
    if len(codebook) > min(_MAX_CODES, len(words) // 2):
        return None
    steps = np.diff(codebook, prepend=codebook.dtype.type(0))
    streams = {"codebook": b"".join(_encode_planes(steps).values()), "codes": codes.astype(np.uint8).tobytes()}
    return streams if len(codebook) <= _BYTE else {**streams, "high": (codes // _BYTE).astype(np.uint8).tobytes()}


def _decode_codebook(streams: Mapping[str, bytes], dtype: npt.DTypeLike, count: int) -> Words:
    codes = np.frombuffer(streams["codes"], np.uint8).astype(np.int64)
    if "high" in streams:
        codes += _BYTE * np.frombuffer(streams["high"], np.uint8).astype(np.int64)
    codebook: Words = np.cumsum(_join_planes(streams["codebook"], dtype), dtype=dtype)
    return codebook[codes]


def _encode_sparse(words: Words) -> Streams | None:
    """Return the gaps between nonzero elements, and these as codebook or planes; None if most elements are nonzero."""
    indices = np.flatnonzero(words)
    if 2 * len(indices) > len(words):
        return None
    gaps = np.diff(indices, prepend=-1) - 1
    skips = gaps // _SKIP
    stream = np.full(len(indices) + int(skips.sum()), _SKIP, np.uint8)
    stream[np.arange(len(indices)) + np.cumsum(skips)] = (gaps % _SKIP).astype(np.uint8)
    weights = _encode_codebook(words[indices]) or _encode_planes(words[indices])
    return {"gaps": stream.tobytes(), **weights}


def _decode_sparse(streams: Mapping[str, bytes], dtype: npt.DTypeLike, count: int) -> Words:
    gaps = np.frombuffer(streams["gaps"], np.uint8)
    ends = np.cumsum(np.where(gaps == _SKIP, _SKIP, gaps.astype(np.int64) + 1))
    indices = ends[gaps != _SKIP] - 1
    decode = _decode_codebook if "codebook" in streams else _decode_planes
    words = np.zeros(count, dtype)
    words[indices] = decode(streams, dtype, len(indices))
    return words


_ENCODERS: Mapping[str, Callable[[Words], Streams | None]] = {
    "plain": _encode_plain,
    "planes": _encode_planes,
    "codebook": _encode_codebook,
    "sparse": _encode_sparse,
}
_DECODERS: Mapping[str, Callable[[Mapping[str, bytes], npt.DTypeLike, int], Words]] = {
    "plain": _decode_plain,
    "planes": _decode_planes,
    "codebook": _decode_codebook,
    "sparse": _decode_sparse,
}


def write_array(words: Words, writer: StreamWriter) -> dict[str, Any]:
    """Write an array in the smallest encoding; return the description that read_array needs.

    The sizes of a long array's encodings are estimated from the beginnings of their streams.

    Args:
        words: Elements as unsigned integers, one-dimensional.
        writer: Writer of the streams.
    """
    encoded = {name: encode(words) for name, encode in _ENCODERS.items()}
    if encoded["codebook"] or encoded["sparse"]:
        encoded["planes"] = None  # rarely smaller than those, and slow to compress
    sizes = {
        name: sum(map(estimate_size, streams.values())) for name, streams in encoded.items() if streams is not None
    }
    encoding = min(sizes, key=lambda name: sizes[name])
    written = {name: writer.write(content) for name, content in (encoded[encoding] or {}).items()}
    return {"width": words.itemsize, "count": len(words), "encoding": encoding, "streams": written}


def read_array(description: Mapping[str, Any], reader: StreamReader) -> Words:
    """Return the array that write_array wrote.

    Raises:
        ValueError: A stream is damaged.
    """
    streams = {name: reader.read(*described) for name, described in description["streams"].items()}
    return _DECODERS[description["encoding"]](streams, f"<u{description['width']}", description["count"])
