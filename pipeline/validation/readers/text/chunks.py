"""Blocks of a text file: whole rows, about as many bytes at a time, checked to be UTF-8 text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.validation.limits import MAX_LINE_BYTES

__all__ = ["BLOCK_BYTES", "Block", "blocks_of", "heads_of"]

BLOCK_BYTES = 8 << 20  # polars holds four or five times as much while it reads one; larger ones are no faster
_MIN_HEAD = 1 << 10
_TAIL = 64 << 10
_LOOK = 10_000  # line ends, from the last one on, at which a block may be cut


@dataclass(frozen=True, slots=True)
class Block:
    """``data`` begins at byte ``offset`` of the file, on ``line``, and ends where a row does."""

    offset: int
    data: bytes
    line: int = 0


def blocks_of(  # noqa: PLR0913 - a stretch of a file, and how it is cut
    name: str, path: Path, start: int, size: int, *, end: int, line: int = 1
) -> Iterator[Block]:
    """All of the file from byte ``start``, which is on ``line``, to ``end``.

    Raises:
        UnreadableDatasetError: A line is too long.
    """
    offset, last = start, end
    with path.open("rb", buffering=0) as file:
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
                raise UnreadableDatasetError(
                    f"'{name}': line {line:,} is longer than {MAX_LINE_BYTES >> 20} MiB: rows of text are expected"
                )
            block = Block(offset, data if end == len(data) else data[:end], line)
            yield block
            offset += end
            line += block.data.count(b"\n")


def _read(file: FileIO, offset: int, size: int) -> bytes:
    """At most ``size`` bytes, up to the last line end among them, so that nothing of them need be copied again."""
    file.seek(max(offset, offset + size - _TAIL))
    tail = file.read(_TAIL)
    if offset + size - _TAIL > offset and len(tail) == _TAIL:
        size -= _TAIL - (tail.rfind(b"\n") + 1 or _TAIL)
    file.seek(offset)
    return file.read(size)


def heads_of(  # noqa: PLR0913 - as blocks_of
    name: str, path: Path, start: int, size: int, share: float, *, end: int
) -> list[Block]:
    """The first ``share`` of each block, at least a row and some. What lies between is only searched, if it may be.

    Without quotes each line is a row; where there are some, all that is before a row tells where it begins. One that
    is in no head counts too: a head may begin within its cell.
    """
    length = max(_MIN_HEAD, int(size * min(1.0, share)))
    heads = list(_lines_at(path, start, size, length, end))
    if any(b'"' in head.data for head in heads) or _has_quote(path, start):
        return [_head(block, length) for block in blocks_of(name, path, start, size, end=end)]
    return heads


def _has_quote(path: Path, start: int) -> bool:
    """Up to the first one. Read into one buffer: of a mapped file all pages would count as this process's memory."""
    buffer = bytearray(1 << 20)
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        return any(buffer.find(b'"', 0, read) >= 0 for read in iter(lambda: file.readinto(buffer), 0))


def _lines_at(path: Path, start: int, size: int, length: int, end: int) -> Iterator[Block]:
    """About ``length`` bytes of whole lines from every ``size``-th byte on."""
    with path.open("rb") as file:
        for offset in range(start, end, size):
            file.seek(offset)
            begin = offset if offset == start else offset + len(file.readline(MAX_LINE_BYTES))
            data = file.read(min(length, max(0, end - begin)))
            if begin + len(data) < end and not data.endswith(b"\n"):
                data += file.readline(MAX_LINE_BYTES)
            if data:
                yield Block(begin, data)


def _head(block: Block, length: int) -> Block:
    end = 0
    while not end and length < len(block.data):
        end = _row_end(block.data[:length])
        length *= 4
    return Block(block.offset, block.data[:end]) if end else block


def _even_quotes(data: bytes) -> bool:
    return b'"' not in data or data.count(b'"') % 2 == 0  # to look for one that is not there takes no time


def _row_end(data: bytes) -> int:
    """Behind the last line end that is not within quotes; 0 when there is none.

    A block begins outside quotes, and a quote within quotes is written twice: an even number of quotes lies before a
    row's end. Where quotes are broken, the last line end is taken.
    """
    last = end = data.rfind(b"\n") + 1
    if b'"' not in data:
        return end
    before = data.count(b'"', 0, end)
    for _ in range(_LOOK):
        if before % 2 == 0 or end == 0:
            return end or last
        earlier = data.rfind(b"\n", 0, end - 1) + 1
        before -= data.count(b'"', earlier, end)
        end = earlier
    return last
