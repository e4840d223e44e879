"""Rewrite a JSON document, such as an array of objects, as JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.validation.limits import MAX_LINE_BYTES
from pipeline.validation.readers.text.json_lines import parse_object
from pipeline.validation.readers.text.plain_text import PlainText

__all__ = ["convert_document", "may_be_json"]

_MAX_BYTES = 256 << 20
_MAX_COLUMNS_BYTES = 64 << 20  # maximum size of a document by column, which is held in memory as objects
_HEAD_BYTES = 64 << 10
_START = re.compile(rb'\s*(?:\{\s*["}]|\[\s*[\[{\]])')
_ARRAY = re.compile(rb'\s*\[\s*\{\s*"')
_BLANK = re.compile(r"\s*")
_ROW_KEYS = ("rows", "data", "records", "instances")
_EXPECTED = 'an array of objects, such as [{"age": 38}, ...], or one object per line (.jsonl) is expected'


class _OtherShapeError(ValueError):
    """The document is JSON, but not a list of objects."""


def may_be_json(text: PlainText) -> bool:
    """Return whether a file begins like an object or an array of objects."""
    return _START.match(_read_head(text)) is not None


def convert_document(text: PlainText, scratch: Path, *, is_json: bool) -> PlainText | None:
    """Write the rows of a document as JSON lines.

    Args:
        text: A file that begins like JSON.
        scratch: Folder for the new file.
        is_json: Whether the file's name is that of JSON.

    Returns:
        The new file; None if each line is an object already, or the file is not a JSON document.

    Raises:
        UnreadableDatasetError: The document is too large or damaged, or does not hold a list of objects.
    """
    head = _read_head(text)
    size = text.path.stat().st_size
    is_array = _ARRAY.match(head) is not None
    if _are_lines(head) or (size > _MAX_BYTES and not is_json and not is_array):
        return None
    if size > _MAX_BYTES:
        raise UnreadableDatasetError(
            f"'{text.name}' has {size >> 20:,} MiB: at most {_MAX_BYTES >> 20} MiB are expected of a JSON document; "
            "save it as .jsonl, one object per line"
        )
    document = text.path.read_bytes()[text.start :].decode(errors="surrogateescape")
    target = scratch / f"{text.path.name}.jsonl"
    try:
        with target.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.writelines(f"{line}\n" for line in _list_rows(document))
    except _OtherShapeError as error:
        raise UnreadableDatasetError(f"'{text.name}' is JSON of another shape: {_EXPECTED}") from error
    except (ValueError, RecursionError) as error:
        if not is_array and not (is_json and document.lstrip().startswith("[")):
            return None  # JSON lines with some broken lines, or another format
        raise _make_damage_error(text.name, error) from error
    return replace(text, path=target, start=0)


def _read_head(text: PlainText) -> bytes:
    with text.path.open("rb") as file:
        file.seek(text.start)
        return file.read(_HEAD_BYTES) + file.readline(MAX_LINE_BYTES) + file.readline(MAX_LINE_BYTES)


def _are_lines(head: bytes) -> bool:
    """Return whether the lines are objects: one of the first two lines is, and the second begins like one."""
    lines = [line for line in head.splitlines() if line.strip()][:3]
    return len(lines) > 1 and any(parse_object(line) is not None for line in lines[:2]) and lines[1][:1] == b"{"


def _make_damage_error(name: str, error: Exception) -> UnreadableDatasetError:
    location = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
    return UnreadableDatasetError(f"'{name}' is a truncated or damaged JSON document{location}: {_EXPECTED}")


def _list_rows(document: str) -> Iterator[str]:
    """Yield the text of each row on one line, which is possible since line ends in JSON are only between values."""
    start = _skip(document, 0)
    if document.startswith("[", start):
        rows, end = _scan_array(document, start)
        _check_end(document, end)
        yield from _lines_of(document, rows)
        return
    arrays, end = _scan_object(document, start)
    if document.startswith("{", end):
        yield from _lines_of(document, _scan_objects(document, start))
        return
    _check_end(document, end)
    chosen = [spans for key, spans in arrays if key in _ROW_KEYS] or [spans for _, spans in arrays]
    if len(chosen) == 1:
        yield from _lines_of(document, chosen[0])
    else:
        yield from _list_by_column(document)


def _lines_of(document: str, spans: Sequence[tuple[int, int]]) -> Iterator[str]:
    if not any(document.startswith("{", start) for start, _ in spans):
        raise _OtherShapeError
    for start, end in spans:
        yield re.sub(r"[\r\n]+", " ", document[start:end])


def _skip(document: str, position: int) -> int:
    match = _BLANK.match(document, position)
    return match.end() if match else position


def _check_end(document: str, position: int) -> None:
    if position < len(document):
        raise json.JSONDecodeError("Extra data", document, position)


_decode = json.JSONDecoder().raw_decode


def _scan_array(document: str, position: int) -> tuple[list[tuple[int, int]], int]:
    """Return the start and end of each value of an array, and the position after the array."""
    spans: list[tuple[int, int]] = []
    position = _skip(document, position + 1)
    while not document.startswith("]", position):
        if spans:
            position = _skip(document, _expect(document, position, ","))
        start = position
        _, end = _decode(document, start)
        spans.append((start, end))
        position = _skip(document, end)
    return spans, _skip(document, position + 1)


def _scan_object(document: str, position: int) -> tuple[list[tuple[str, list[tuple[int, int]]]], int]:
    """Return the keys and values' positions of the arrays of objects in an object, and the position after it."""
    arrays: list[tuple[str, list[tuple[int, int]]]] = []
    position = _skip(document, _expect(document, position, "{"))
    is_first = True
    while not document.startswith("}", position):
        if not is_first:
            position = _skip(document, _expect(document, position, ","))
        is_first = False
        key, position = _decode(document, position)
        position = _skip(document, _expect(document, _skip(document, position), ":"))
        if document.startswith("[", position) and document.startswith("{", _skip(document, position + 1)):
            spans, position = _scan_array(document, position)
            arrays.append((str(key), spans))
        else:
            position = _skip(document, _decode(document, position)[1])
    return arrays, _skip(document, position + 1)


def _scan_objects(document: str, position: int) -> list[tuple[int, int]]:
    """Return the start and end of consecutive objects, each of which may span several lines."""
    spans = []
    while position < len(document):
        _, end = _decode(document, position)
        spans.append((position, end))
        position = _skip(document, end)
    return spans


def _expect(document: str, position: int, mark: str) -> int:
    if not document.startswith(mark, position):
        raise json.JSONDecodeError(f"Expecting '{mark}'", document, position)
    return position + 1


def _list_by_column(document: str) -> Iterator[str]:
    """Yield the rows of an object that holds values by column, by row name, or like pandas with orient="split"."""
    if len(document) > _MAX_COLUMNS_BYTES:
        raise _OtherShapeError
    content = json.loads(document)
    values = list(content.values())
    if not any(isinstance(value, dict | list) for value in values):
        yield json.dumps(content)  # one row
        return
    for row in _list_records(content, values):
        yield json.dumps(row)


def _list_records(content: Mapping[str, object], values: Sequence[object]) -> Iterator[object]:
    columns, data = content.get("columns"), content.get("data")
    if isinstance(columns, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
        yield from (dict(zip(map(str, columns), row, strict=False)) for row in data)
    elif all(isinstance(value, dict) for value in values) and all(key.isdecimal() for key in content):
        yield from values
    elif all(isinstance(value, dict) for value in values):
        by_column = {name: cells for name, cells in content.items() if isinstance(cells, dict)}
        for index in dict.fromkeys(index for cells in by_column.values() for index in cells):
            yield {name: cells[index] for name, cells in by_column.items() if index in cells}
    elif lists := {name: cells for name, cells in content.items() if isinstance(cells, list)}:
        is_nested = any(isinstance(cell, dict | list) for cells in lists.values() for cell in cells)
        if is_nested or len(lists) < len(content) or len(set(map(len, lists.values()))) > 1:
            raise _OtherShapeError
        yield from (dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True))
    else:
        raise _OtherShapeError
