"""Find identifiers of rows, such as C-1000, which do not generalize to new rows."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from pipeline.validation.hints.column_words import yaml_name
from pipeline.validation.schema import Schema

__all__ = ["hint_identifiers"]

_MIN_ROWS = 20  # with fewer rows, values may differ by chance
_MIN_DISTINCT_FRACTION = 0.99  # minimum fraction of distinct values
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_HASH = r"[0-9a-fA-F]{16,}"
_ULID = r"[0-9A-HJKMNP-TV-Z]{26}"
_RANDOM = f"^(?:{_UUID}|{_HASH}|{_ULID})$"
_MAX_SHOWN = 20  # characters of a value


def hint_identifiers(schema: Schema) -> Iterator[str]:
    """Yield a hint for each text column that identifies rows, with the line that drops the column."""
    for column in schema.columns:
        if column.column.kind == "text" and (first := _first_identifier(column.values.drop_nulls())) is not None:
            yield (
                f"column '{column.name}' is an identifier: each value, such as '{first}', names one row and tells a "
                f"model nothing about new rows. Add `drop: [{yaml_name(column.name)}]` to train.yaml"
            )


def _first_identifier(values: pl.Series) -> str | None:
    """Return the first text if the texts identify the rows; else None.

    Identifiers are distinct, and differ only in digits, or are UUIDs, ULIDs or hashes.
    """
    distinct = values.unique()
    if len(values) < _MIN_ROWS or len(distinct) < _MIN_DISTINCT_FRACTION * len(values):
        return None
    is_numbered = distinct.str.contains(r"\d") & ~distinct.str.contains(r"\s")
    shapes = distinct.str.replace_all(r"\d+", "0")
    if (is_numbered.all() and shapes.n_unique() == 1) or distinct.str.contains(_RANDOM).all():
        return str(distinct.sort()[0])[:_MAX_SHOWN]
    return None
