"""Blocks of a text file: whole rows, about as many bytes at a time, checked to be UTF-8 text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.validation.limits import MOST_LINE_BYTES

__all__ = ["BLOCK_BYTES", "Block", "blocks_of", "heads_of", "line_at"]

BLOCK_BYTES = 8 << 20  # polars holds four or five times as much while it reads one; larger ones are no faster
_LEAST_HEAD = 1 << 10
_TAIL = 64 << 10
_LOOK = 10_000  # line ends, from the last one on, at which a block may be cut


@dataclass(frozen=True, slots=True)
class Block:
    """``data`` begins at byte ``offset`` of the file, and ends where a row does."""

    offset: int
    data: bytes

    def check(self, name: str, path: Path) -> None:
        """Raise UnreadableDatasetError, naming byte and line, for what is no text."""
        if (nul := self.data.find(0)) >= 0:
            raise self._not_text(name, path, "a NUL byte", nul)
        if self.data.isascii():
            return
        try:
            self.data.decode()
        except UnicodeDecodeError as error:
            raise self._not_text(name, path, "a byte that is not UTF-8", error.start) from None

    def _not_text(self, name: str, path: Path, what: str, at: int) -> UnreadableDatasetError:
        byte = self.offset + at
        line = line_at(path, byte)
        return UnreadableDatasetError(
            f"'{name}' is not UTF-8 text: {what} at byte {byte:,} (line {line:,}); save the file as UTF-8",
            byte=byte,
            line=line,
        )


def blocks_of(name: str, path: Path, start: int, size: int) -> Iterator[Block]:
    """All of the file from byte ``start`` on; raise UnreadableDatasetError for a line that is too long."""
    offset, last = start, path.stat().st_size
    with path.open("rb", buffering=0) as file:
        while True:
            data = _read(file, offset, size)
            end = len(data) if data.endswith(b"\n") and _even_quotes(data) else _row_end(data)
            if not data:
                return
            if not end:
                data += file.read(MOST_LINE_BYTES)
                end = _row_end(data)
            if offset + len(data) == last:
                end = len(data)  # the last row may end with the file
            if not end:
                raise UnreadableDatasetError(
                    f"'{name}': line {line_at(path, offset):,} is longer than {MOST_LINE_BYTES >> 20} MiB: rows of "
                    "text are expected"
                )
            yield Block(offset, data if end == len(data) else data[:end])
            offset += end


def _read(file: FileIO, offset: int, size: int) -> bytes:
    """At most ``size`` bytes, up to the last line end among them, so that nothing of them need be copied again."""
    file.seek(max(offset, offset + size - _TAIL))
    tail = file.read(_TAIL)
    if offset + size - _TAIL > offset and len(tail) == _TAIL:
        size -= _TAIL - (tail.rfind(b"\n") + 1 or _TAIL)
    file.seek(offset)
    return file.read(size)


def heads_of(name: str, path: Path, start: int, size: int, share: float) -> list[Block]:
    """The first ``share`` of each block, at least a row and some. What lies between is only searched, if it may be.

    Without quotes each line is a row; where there are some, all that is before a row tells where it begins. One that
    is in no head counts too: a head may begin within its cell.
    """
    length = max(_LEAST_HEAD, int(size * min(1.0, share)))
    heads = list(_lines_at(path, start, size, length))
    if any(b'"' in head.data for head in heads) or _has_quote(path, start):
        return [_head(block, length) for block in blocks_of(name, path, start, size)]
    return heads


def _has_quote(path: Path, start: int) -> bool:
    """Up to the first one. Read into one buffer: of a mapped file all pages would count as this process's memory."""
    buffer = bytearray(1 << 20)
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        return any(buffer.find(b'"', 0, read) >= 0 for read in iter(lambda: file.readinto(buffer), 0))


def _lines_at(path: Path, start: int, size: int, length: int) -> Iterator[Block]:
    """About ``length`` bytes of whole lines from every ``size``-th byte on."""
    with path.open("rb") as file:
        for offset in range(start, path.stat().st_size, size):
            file.seek(offset)
            begin = offset if offset == start else offset + len(file.readline(MOST_LINE_BYTES))
            data = file.read(length)
            if not data.endswith(b"\n"):
                data += file.readline(MOST_LINE_BYTES)
            if data:
                yield Block(begin, data)


def _head(block: Block, length: int) -> Block:
    end = 0
    while not end and length < len(block.data):
        end = _row_end(block.data[:length])
        length *= 4
    return Block(block.offset, block.data[:end]) if end else block


def line_at(path: Path, byte: int) -> int:
    """The number of the line that holds ``byte``, from 1."""
    with path.open("rb") as file:
        chunks = itertools.takewhile(bool, (file.read(min(1 << 20, byte - at)) for at in range(0, byte, 1 << 20)))
        return 1 + sum(chunk.count(b"\n") for chunk in chunks)


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
