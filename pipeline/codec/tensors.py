"""The span of one tensor, or of one list of floats, inside a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.codec.arrays import Words, read_array, write_array
from pipeline.codec.streams import StreamReader, StreamWriter

__all__ = ["TensorSpan", "read_tensor"]


@dataclass(frozen=True, kw_only=True)  # slots would double the time that generating the class takes
class TensorSpan:
    """The bytes of a tensor in a model file.

    Attributes:
        offset: Offset of the first byte in the file.
        count: Number of elements.
        width: Bytes of one element: 1, 2, 4 or 8.
        tag: Byte that precedes each element in a protobuf list that is not packed; None for packed elements.
    """

    offset: int
    count: int
    width: int
    tag: int | None = None

    @property
    def size(self) -> int:
        """Return the number of bytes in the file."""
        return self.count * (self.width + (self.tag is not None))

    def write(self, file: bytes, writer: StreamWriter) -> dict[str, Any]:
        """Write the elements; return the description that read_tensor needs.

        Raises:
            ValueError: The span is not a list of elements with this tag.
        """
        description = write_array(self._words(file), writer)
        return description if self.tag is None else {**description, "tag": self.tag}

    def _words(self, file: bytes) -> Words:
        if self.tag is None:
            return np.frombuffer(file, f"<u{self.width}", self.count, self.offset)
        records = np.frombuffer(file, np.uint8, self.size, self.offset).reshape(self.count, 1 + self.width)
        if (records[:, 0] != self.tag).any():
            raise ValueError("the span is no list of elements with this tag")
        return np.ascontiguousarray(records[:, 1:]).view(f"<u{self.width}").reshape(self.count)


def read_tensor(description: Mapping[str, Any], reader: StreamReader) -> bytes:
    """Return the bytes of the span that TensorSpan.write wrote."""
    words = read_array(description, reader)
    if "tag" not in description:
        return words.tobytes()
    records = np.empty((len(words), 1 + words.itemsize), np.uint8)
    records[:, 0] = description["tag"]
    records[:, 1:] = words.view(np.uint8).reshape(len(words), words.itemsize)
    return records.tobytes()
