"""A packed model file -> the file itself. NumPy and the standard library only: predict does it on a cold start."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.codec.streams import decompress
from pipeline.codec.weights import DECODERS, Words

__all__ = ["HEAD_MODEL", "MAGIC", "PREFIX", "is_packed", "unpack"]

MAGIC = b"MDPK\x01"  # no ONNX file begins so: M is no field of a model
PREFIX = "<II"  # bytes of the head, unpacked and packed
HEAD_MODEL = 1


def is_packed(file: bytes) -> bool:
    """Return whether a stored file is packed; otherwise it is served as it is."""
    return file.startswith(MAGIC)


def unpack(file: bytes) -> bytes:
    """Return the model file that was packed, byte for byte; a file that is not packed comes back unchanged.

    Raises:
        ValueError: The file is damaged.
    """
    if not is_packed(file):
        return file
    try:
        head_size, packed_size = struct.unpack_from(PREFIX, file, len(MAGIC))
        start = len(MAGIC) + struct.calcsize(PREFIX)
        head = json.loads(decompress(file[start : start + packed_size], head_size, HEAD_MODEL))
        return _join(head, file, start + packed_size)
    except (KeyError, IndexError, TypeError, struct.error) as error:
        raise ValueError("the packed model file is damaged: its head does not describe it") from error


def _join(head: dict[str, Any], file: bytes, start: int) -> bytes:
    """The skeleton with the tensors in their places."""
    streams = _Streams(file, start)
    skeleton = memoryview(streams.read(*head["skeleton"]))
    unpacked, done = bytearray(head["size"]), 0  # bytes of the skeleton that are in their place
    end = 0
    for tensor, words in _tensors(head, streams):
        offset = tensor["offset"]
        unpacked[end:offset] = skeleton[done : done + offset - end]
        done += offset - end
        end = offset + len(words)
        unpacked[offset:end] = words
    unpacked[end:] = skeleton[done:]
    if not streams.at_end:
        raise ValueError("the packed model file is damaged: its length is not what its head describes")
    if len(unpacked) != head["size"]:
        raise ValueError(f"the packed model file unpacks to {len(unpacked)} bytes, {head['size']} are expected")
    return bytes(unpacked)


def _tensors(head: dict[str, Any], streams: _Streams) -> Iterator[tuple[dict[str, Any], bytes]]:
    for tensor in head["tensors"]:
        parts = {name: streams.read(*described) for name, described in tensor["streams"].items()}
        words = DECODERS[tensor["encoding"]](parts, f"<u{tensor['width']}", tensor["count"])
        yield tensor, words.tobytes() if "tag" not in tensor else _tagged(words, tensor["tag"])


def _tagged(words: Words, tag: int) -> bytes:
    """The elements, each behind its tag."""
    records = np.empty((len(words), 1 + words.itemsize), np.uint8)
    records[:, 0] = tag
    records[:, 1:] = words.view(np.uint8).reshape(len(words), -1)
    return records.tobytes()


class _Streams:
    """Reads one stream after another."""

    def __init__(self, file: bytes, start: int) -> None:
        self._file = file
        self._start = start

    @property
    def at_end(self) -> bool:
        return self._start == len(self._file)

    def read(self, size: int, packed: int, model: int) -> bytes:
        stream = self._file[self._start : self._start + packed]
        self._start += packed
        return decompress(stream, size, model)
