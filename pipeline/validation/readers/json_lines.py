"""jsonl: one object a line.

Each line is read by itself, so that a broken one costs itself and rows that share no keys cannot grow a table too large
to hold. Values become text, and are typed as the text of a csv file is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from pipeline.validation.columns.names import check_cells, check_names
from pipeline.validation.limits import MOST_COLUMNS
from pipeline.validation.readers.text_file import TextFile
from pipeline.validation.rejected_rows import SetAside

__all__ = ["read_json_lines"]

_NESTED = pl.Struct({"nested": pl.String})


@dataclass(slots=True)
class _Keys:
    """Keys in the order in which they come, and those that hold an array or an object somewhere."""

    names: dict[str, None] = field(default_factory=dict)
    nested: set[str] = field(default_factory=set)

    def as_text(self, key: str, value: object) -> str | None:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, dict | list):
            self.nested.add(key)
            return None
        if isinstance(value, float) and value.is_integer():
            return str(int(value))  # as a request's 1.0 is read where a category is expected
        return str(value).lower() if isinstance(value, bool) else str(value)


def read_json_lines(text: TextFile, aside: SetAside) -> pl.DataFrame:
    """Columns are String, or a Struct when there are arrays or objects in one; the last key that is new comes last.

    Raise InvalidColumnsError, MalformedRowsError when too many rows are broken, UnreadableDatasetError when too large.
    """
    regular = text.path.with_suffix(".regular")
    keys = _write_regular(text, regular, aside)
    names = list(keys.names)
    check_names(names)
    check_cells(text.name, len(names) * (text.counts["\n"] + 1))
    frame = pl.read_ndjson(regular, schema=dict.fromkeys(names, pl.String))
    return frame.with_columns(pl.lit(None, dtype=_NESTED).alias(name) for name in names if name in keys.nested)


def _write_regular(text: TextFile, regular: Path, aside: SetAside) -> _Keys:
    keys = _Keys()
    good = 0
    with text.path.open(encoding="utf-8-sig") as file, regular.open("w", encoding="utf-8") as out:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = {key: keys.as_text(key, value) for key, value in _object(line).items()}
                out.write(json.dumps(row, ensure_ascii=False) + "\n")  # half a surrogate pair is a ValueError
            except (ValueError, RecursionError):
                aside.add_broken(line=number, reason="is not a JSON object", text=line)
                continue
            keys.names.update(dict.fromkeys(row))
            if len(keys.names) > MOST_COLUMNS:
                break
            good += 1
    aside.check(good=good, expected='one JSON object a line, such as {"age": 38}, is')
    return keys


def _object(line: str) -> dict[str, object]:
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004 - as json says it of other lines that are none
    return found
