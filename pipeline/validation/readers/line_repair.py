"""Repair lines that are not UTF-8 or hold NUL bytes, and leave all other lines as they are."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

__all__ = ["RepairedLine", "repair_lines"]

_WESTERN = (("Windows-1252", "cp1252"), ("ISO-8859-1", "latin-1"))


@dataclass(frozen=True, slots=True)
class RepairedLine:
    """``line`` counts from 0 within the data; ``reason`` says what was wrong and how the line was read."""

    line: int
    reason: str


def repair_lines(data: bytes) -> tuple[bytes, tuple[RepairedLine, ...]]:
    """Return ``data``, whole lines, as UTF-8 without NUL bytes, and the lines that were changed.

    Data that needs no repair is returned as the same object.
    """
    if 0 not in data and _is_utf_8(data):
        return data, ()
    lines, repaired = data.split(b"\n"), []
    for number, line in enumerate(lines):
        nuls = line.count(0)
        if not nuls and (line.isascii() or _is_utf_8(line)):
            continue
        lines[number], reading = _decode(line.replace(b"\0", b"") if nuls else line)
        reasons = [f"holds {nuls:,} NUL byte{'s' * (nuls > 1)}"] if nuls else []
        reasons += [f"is not UTF-8, read as {reading}"] if reading else []
        repaired.append(RepairedLine(number, " and ".join(reasons)))
    return b"\n".join(lines), tuple(repaired)


def _is_utf_8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode(line: bytes) -> tuple[bytes, str]:
    """Return the line as UTF-8, and the encoding that it was read in where it was not UTF-8."""
    if _is_utf_8(line):
        return line, ""
    try:
        return _repair_words(line), _WESTERN[0][0]
    except UnicodeDecodeError:
        return line.decode(_WESTERN[1][1]).encode(), _WESTERN[1][0]


def _repair_words(line: bytes) -> bytes:
    """Return ``line`` with the bytes that are not UTF-8 read as Windows-1252.

    What is valid beside them is kept: a line with one damaged cell has others that are whole.

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
