"""LZMA streams, with the standard library's codec, so that the inference layer needs no other package."""

from __future__ import annotations

import lzma
from functools import lru_cache
from typing import Any

__all__ = ["HEAD_MODEL", "StreamReader", "StreamWriter", "compress", "decompress", "estimate_size"]

# LZMA's lc, lp and pb. (0, 0, 0) suits symbols that are drawn independently, such as codebook indices: the range coder
# then comes close to their entropy. (3, 0, 0) suits text, (0, 2, 2) words of four bytes.
_MODELS = ((0, 0, 0), (3, 0, 0), (0, 2, 2))
HEAD_MODEL = 1
_SAMPLE_BYTES = 1 << 16
_LARGE_BYTES = 1 << 20
_PRESET, _FAST_PRESET = 6, 2  # the fast preset is for streams over _LARGE_BYTES: 3 % larger, three times as fast
_MIN_DICTIONARY = 4096  # LZMA's own minimum, in bytes
_MAX_DICTIONARY = 1 << 26  # bytes of memory that unpacking may need in addition to the file


def compress(content: bytes, model: int) -> bytes:
    """Return ``content`` as one raw LZMA stream with an end marker; ``model`` is an index into _MODELS."""
    return lzma.compress(content, format=lzma.FORMAT_RAW, filters=_filters(len(content), model))


def decompress(stream: bytes, size: int, model: int) -> bytes:
    """Return the decompressed content of a stream, which has ``size`` bytes.

    Raises:
        ValueError: The stream is damaged, or its content has another size.
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
    literal_context, literal_position, position = _MODELS[model]
    return [
        {
            "id": lzma.FILTER_LZMA1,
            "preset": _PRESET if size <= _LARGE_BYTES else _FAST_PRESET,
            "dict_size": dictionary,
            "lc": literal_context,
            "lp": literal_position,
            "pb": position,
        }
    ]


def estimate_size(content: bytes) -> float:
    """Return the compressed size of a stream in bytes, estimated from its first 64 KiB; exact for a shorter stream."""
    sample = content[:_SAMPLE_BYTES]
    return min(map(len, _compress_sample(sample))) * len(content) / max(1, len(sample))


@lru_cache(maxsize=32)  # all streams of one array's encodings, so that writing the smallest does not repeat the work
def _compress_sample(sample: bytes) -> tuple[bytes, ...]:
    """Return the beginning of a stream, compressed with each model."""
    return tuple(compress(sample, model) for model in range(len(_MODELS)))


class StreamWriter:
    """Collects compressed streams; a stream's description is its size, compressed size, and index of its model."""

    def __init__(self) -> None:
        self.streams: list[bytes] = []

    def write(self, content: bytes) -> list[int]:
        """Compress with the model that is best for the beginning of the content; return the stream's description."""
        sample = content[:_SAMPLE_BYTES]
        samples = _compress_sample(sample)
        model = min(range(len(_MODELS)), key=lambda index: len(samples[index]))
        self.streams.append(samples[model] if len(sample) == len(content) else compress(content, model))
        return [len(content), len(self.streams[-1]), model]


class StreamReader:
    """Reads the streams of a packed file in the order in which they were written."""

    def __init__(self, file: bytes, start: int) -> None:
        self._file = file
        self._start = start

    @property
    def at_end(self) -> bool:
        """Return whether every stream has been read."""
        return self._start == len(self._file)

    def read(self, size: int, packed: int, model: int) -> bytes:
        """Return the next stream's content.

        Raises:
            ValueError: The stream is damaged.
        """
        stream = self._file[self._start : self._start + packed]
        self._start += packed
        return decompress(stream, size, model)
