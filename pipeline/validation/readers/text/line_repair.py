"""Repair lines that are not UTF-8 or have NUL bytes; other lines are not changed."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

__all__ = ["repair_lines"]

_WESTERN = (("Windows-1252", "cp1252"), ("ISO-8859-1", "latin-1"))


def repair_lines(data: bytes) -> tuple[bytes, list[tuple[int, str]]]:
    """Repair ``data``, which consists of whole lines.

    Data that needs no repair is returned as the same object; text between broken lines is copied unchanged.

    Returns:
        UTF-8 without NUL bytes, and the changed lines: number of the line within the data, from 0, and a description of
        the error and the repair.
    """
    pieces: list[bytes] = []
    repaired: list[tuple[int, str]] = []
    end = number = 0
    for start, next_start in _find_broken_lines(data):
        number += data.count(b"\n", end, start)
        line, reason = _repair(data[start:next_start])
        pieces += [data[end:start], line]
        repaired.append((number, reason))
        number, end = number + data.count(b"\n", start, next_start), next_start
    return (b"".join([*pieces, data[end:]]) if repaired else data), repaired


def _find_broken_lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each line that is not UTF-8 or has a NUL byte."""
    position, size = 0, len(data)
    nul, invalid = _find(data, position), _find_invalid(data, position)
    while (broken := min(nul, invalid)) < size:
        start = data.rfind(b"\n", 0, broken) + 1
        position = data.find(b"\n", broken) + 1 or size
        yield start, position
        nul = nul if nul >= position else _find(data, position)
        invalid = invalid if invalid >= position else _find_invalid(data, position)


def _find(data: bytes, position: int) -> int:
    nul = data.find(0, position)
    return len(data) if nul < 0 else nul


def _find_invalid(data: bytes, position: int) -> int:
    if position == 0 and data.isascii():
        return len(data)
    try:
        codecs.utf_8_decode(memoryview(data)[position:], "strict", True)
    except UnicodeDecodeError as error:
        return position + error.start
    return len(data)


def _repair(line: bytes) -> tuple[bytes, str]:
    nuls = line.count(0)
    line, reading = _decode(line.replace(b"\0", b""))
    reasons = [f"holds {nuls:,} NUL byte{'s' * (nuls > 1)}"] if nuls else []
    reasons += [f"is not UTF-8, read as {reading}"] if reading else []
    return line, " and ".join(reasons)


def _decode(line: bytes) -> tuple[bytes, str]:
    """Return the line as UTF-8, and the encoding that it was read in; "" for UTF-8."""
    if _find_invalid(line, 0) == len(line):
        return line, ""
    try:
        return _repair_words(line), _WESTERN[0][0]
    except UnicodeDecodeError:
        return line.decode(_WESTERN[1][1]).encode(), _WESTERN[1][0]


def _repair_words(line: bytes) -> bytes:
    """Return ``line`` with the bytes that are not UTF-8 read as Windows-1252.

    Valid bytes are kept: a line with one damaged cell has others that are intact.

    Raises:
        UnicodeDecodeError: A byte is not in Windows-1252 either.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    pieces: list[str] = []
    while line:
        try:
            return "".join([*pieces, decoder.decode(line, final=True)]).encode()
        except UnicodeDecodeError as error:
            pieces += [line[: error.start].decode(), line[error.start : error.end].decode(_WESTERN[0][1])]
            line = line[error.end :]
            decoder.reset()
    return "".join(pieces).encode()
