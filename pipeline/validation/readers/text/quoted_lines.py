"""Unquote lines that are quoted as a whole, by a program that wrote each row as one cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.validation.columns.names import clean_name
from pipeline.validation.readers.dialects.delimiter import USUAL
from pipeline.validation.readers.dialects.records import split_line
from pipeline.validation.readers.text.plain_text import PlainText

__all__ = ["unquote_lines"]

_HEAD_BYTES = 64 << 10
_MAX_COMPARED = 200  # maximum lines that are compared
_MIN_LINES = 2


def unquote_lines(text: PlainText, scratch: Path, names: Sequence[str]) -> PlainText:
    """Return the file without quotes around whole lines, if all lines except perhaps the header have them.

    Args:
        text: A file of delimited text.
        scratch: A folder for the new file.
        names: The columns of a known model; empty for a first file.
    """
    if not _are_quoted(text, names):
        return text
    target = scratch / f"{text.path.name}.unquoted"
    with text.path.open("rb") as source, target.open("wb") as file:
        source.seek(text.start)
        file.writelines(map(_unquote, source))
    warning = "each line is quoted as a whole: read without these quotes"
    return replace(text, path=target, start=0, warnings=(*text.warnings, warning))


def _are_quoted(text: PlainText, names: Sequence[str]) -> bool:
    with text.path.open("rb") as file:
        file.seek(text.start)
        data = file.read(_HEAD_BYTES)
        is_cut = bool(file.read(1))
    if b'"' not in data:
        return False
    lines = [line for line in data.splitlines()[: -1 if is_cut else None] if line.strip()][:_MAX_COMPARED]
    rows = [line for line in lines[1:] if _unquote(line) != line]
    if len(lines) < _MIN_LINES or len(rows) < len(lines) - 1:
        return False
    return any(_are_rows([_unquote(line).decode(errors="replace") for line in lines], mark, names) for mark in USUAL)


def _are_rows(lines: Sequence[str], delimiter: str, names: Sequence[str]) -> bool:
    """Return whether the lines have equally many fields, unlike texts of one column, of which only some have commas."""
    header = split_line(lines[0], delimiter) or ()
    if len(header) < 2 or any(len(split_line(line, delimiter) or ()) != len(header) for line in lines[1:]):
        return False
    return not names or len(header) > 2 or any(clean_name(cell) in names for cell in header)


def _unquote(line: bytes) -> bytes:
    """Return a line without the quotes around it; unchanged if there are none, or they are quotes of single cells."""
    content = line.rstrip(b"\r\n")
    if len(content) < 2 or content[:1] != b'"' or content[-1:] != b'"':
        return line
    inner = content[1:-1]
    if b'"' in inner.replace(b'""', b""):
        return line
    return inner.replace(b'""', b'"') + line[len(content) :]
