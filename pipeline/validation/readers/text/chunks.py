"""Split a text file into blocks of whole rows, with about the same number of bytes each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from threading import Lock

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.validation.limits import MAX_LINE_BYTES

__all__ = ["BLOCK_BYTES", "Block", "Lines", "blocks_of", "heads_of"]

BLOCK_BYTES = 12 << 20  # polars needs four or five times as much memory while it reads a block
_MIN_HEAD = 1 << 10
_TAIL = 64 << 10
_MAX_LINE_ENDS = 10_000  # maximum line ends, from the last one upward, that are tried as the end of a block


@dataclass(slots=True)
class Lines:
    """Line numbers of a file, counted on demand.

    Attributes:
        path: The file.
        offset: A byte of the file.
        line: Number of the line with this byte.
    """

    path: Path
    offset: int
    line: int
    _lock: Lock = field(default_factory=Lock)

    def at(self, offset: int) -> int:
        """Return the number of the line on which byte ``offset`` is; threads may call it."""
        with self._lock:
            begin, end = sorted((self.offset, offset))
            lines = self._count(begin, end)
            self.line += lines if offset >= self.offset else -lines
            self.offset = offset
            return self.line

    def _count(self, begin: int, end: int) -> int:
        with self.path.open("rb", buffering=0) as file:
            file.seek(begin)
            steps = range(begin, end, _TAIL)
            return sum(file.read(min(_TAIL, end - step)).count(b"\n") for step in steps)


@dataclass(frozen=True, slots=True)
class Block:
    """A block: ``data`` begins at byte ``offset`` of the file and ends with a row; ``lines`` counts line numbers."""

    offset: int
    data: bytes
    lines: Lines

    @property
    def line(self) -> int:
        """Return the number of the first line of ``data``."""
        return self.lines.at(self.offset)


def blocks_of(name: str, lines: Lines, start: int, size: int, *, end: int) -> Iterator[Block]:
    """Yield the blocks of a file from byte ``start`` to ``end``.

    Raises:
        UnreadableDatasetError: A line is too long.
    """
    offset, last = start, end
    with lines.path.open("rb", buffering=0) as file:
        while True:
            data = _read(file, offset, min(size, last - offset)) if offset < last else b""
            end = len(data) if data.endswith(b"\n") and _even_quotes(data) else _row_end(data)
            if not data:
                return
            if not end:
                data += file.read(min(MAX_LINE_BYTES, last - offset - len(data)))
                end = _row_end(data)
            if offset + len(data) == last:
                end = len(data)  # the last row may end with the file
            if not end:
                line, limit = lines.at(offset), MAX_LINE_BYTES >> 20
                raise UnreadableDatasetError(
                    f"'{name}': line {line:,} is longer than {limit} MiB: rows of text are expected"
                )
            yield Block(offset, data if end == len(data) else data[:end], lines)
            offset += end


def _read(file: FileIO, offset: int, size: int) -> bytes:
    """Read at most ``size`` bytes, up to the last line end among them, so that the block need not be cut and copied."""
    file.seek(max(offset, offset + size - _TAIL))
    tail = file.read(_TAIL)
    if offset + size - _TAIL > offset and len(tail) == _TAIL:
        size -= _TAIL - (tail.rfind(b"\n") + 1 or _TAIL)
    file.seek(offset)
    return file.read(size)


def heads_of(  # noqa: PLR0913 - the arguments of blocks_of, and the fraction
    name: str, lines: Lines, start: int, size: int, fraction: float, *, end: int
) -> list[bytes]:
    """Return the head of each block: about ``fraction`` of the block, at least one row.

    Without quotes each line is a row, and the text between the heads is only searched for quotes. With quotes, the
    beginning of a row depends on all text before it, even if no head has a quote: a head may begin in a quoted cell.
    """
    length = max(_MIN_HEAD, int(size * min(1.0, fraction)))
    heads = list(_lines_at(lines.path, start, size, length, end))
    if any(b'"' in head for head in heads) or _has_quote(lines.path, start):
        return [_head(block.data, length) for block in blocks_of(name, lines, start, size, end=end)]
    return heads


def _has_quote(path: Path, start: int) -> bool:
    """Return whether the file has a quote. It is not mapped, since the pages of a mapped file count as memory."""
    buffer = bytearray(1 << 20)
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        return any(buffer.find(b'"', 0, read) >= 0 for read in iter(lambda: file.readinto(buffer), 0))


def _lines_at(path: Path, start: int, size: int, length: int, end: int) -> Iterator[bytes]:
    """Yield about ``length`` bytes of whole lines from every ``size``-th byte on."""
    with path.open("rb") as file:
        for offset in range(start, end, size):
            file.seek(offset)
            begin = offset if offset == start else offset + len(file.readline(MAX_LINE_BYTES))
            data = file.read(min(length, max(0, end - begin)))
            if begin + len(data) < end and not data.endswith(b"\n"):
                data += file.readline(MAX_LINE_BYTES)
            if data:
                yield data


def _head(data: bytes, length: int) -> bytes:
    end = 0
    while not end and length < len(data):
        end = _row_end(data[:length])
        length *= 4
    return data[:end] if end else data


def _even_quotes(data: bytes) -> bool:
    return b'"' not in data or data.count(b'"') % 2 == 0  # `in` is faster if there is no quote


def _row_end(data: bytes) -> int:
    """Return the position after the last line end outside quotes; 0 if there is none.

    A block begins outside quotes, and a quote within quotes is doubled, so the number of quotes before the end of a row
    is even. If quotes are broken, the position after the last line end is returned.
    """
    last = end = data.rfind(b"\n") + 1
    if b'"' not in data:
        return end
    before = data.count(b'"', 0, end)
    for _ in range(_MAX_LINE_ENDS):
        if before % 2 == 0 or end == 0:
            return end or last
        earlier = data.rfind(b"\n", 0, end - 1) + 1
        before -= data.count(b'"', earlier, end)
        end = earlier
    return last
