"""jsonl: one object a line.

polars reads lines whose values agree on a type a column. Otherwise they are read again one by one: broken lines are
set aside, and what is left is given to polars as text, which is typed as the text of a csv file is.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import polars as pl

from pipeline.validation.columns import check_cells, check_names
from pipeline.validation.set_aside import SetAside
from pipeline.validation.text import TextFile

__all__ = ["read_json_lines"]


def read_json_lines(text: TextFile, aside: SetAside) -> pl.DataFrame:
    """Columns in the order of the first row.

    Raise InvalidColumnsError, MalformedRowsError when too many rows are broken, UnreadableDatasetError when too large.
    """
    frame = _read_regular(text)
    if frame is None:
        regular = text.path.with_suffix(".regular")
        names = _write_regular(text, regular, aside)
        check_names(names)
        check_cells(text.name, len(names) * (text.counts["\n"] + 1))
        frame = pl.read_ndjson(regular, schema=dict.fromkeys(names, pl.String))
    return frame


def _read_regular(text: TextFile) -> pl.DataFrame | None:
    try:
        # The schema first: rows that share no keys would make a table too large to hold.
        schema = pl.scan_ndjson(text.path, infer_schema_length=None).collect_schema()
        first = _first_keys(text.path)
    except (pl.exceptions.PolarsError, ValueError):
        return None
    names = [*first, *sorted(set(schema) - set(first))]
    check_names(names)
    check_cells(text.name, len(names) * (text.counts["\n"] + 1))
    try:
        return pl.read_ndjson(text.path, schema=schema).select(names)
    except pl.exceptions.PolarsError:
        return None


def _first_keys(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig") as file:
        return list(_object(next(line for line in file if line.strip())))


def _write_regular(text: TextFile, regular: Path, aside: SetAside) -> list[str]:
    """Write every value as text; return the keys in the order in which they come."""
    names: dict[str, None] = {}
    good = 0
    with text.path.open(encoding="utf-8-sig") as file, regular.open("w", encoding="utf-8") as out:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = {key: _as_text(value) for key, value in _object(line).items()}
                written = json.dumps(row, ensure_ascii=False).encode().decode()  # half a surrogate pair is a ValueError
            except (ValueError, RecursionError):
                aside.add_broken(line=number, reason="is not a JSON object", text=line)
                continue
            names |= dict.fromkeys(row)
            out.write(written + "\n")
            good += 1
    aside.check(good=good, expected='one JSON object a line, such as {"age": 38}, is')
    return list(names)


def _object(line: str) -> dict[str, object]:
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004 - as json says it of other lines that are none
    return found


def _as_text(value: object) -> str | None:
    """As JSON writes it, but strings bare; null for NaN and for what is nested."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict | list) or (isinstance(value, float) and math.isnan(value)):
        return None
    return json.dumps(value)
