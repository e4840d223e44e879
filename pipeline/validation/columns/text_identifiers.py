"""Texts that name the rows, such as C-1000, and tell a model nothing of rows that it has not seen."""

from __future__ import annotations

import polars as pl

__all__ = ["describe_identifier"]

_MIN_ROWS = 20  # of fewer, values may differ by chance
_MIN_DISTINCT_SHARE = 0.99  # of the rows: a name may be there twice
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_HASH = r"[0-9a-fA-F]{16,}"
_ULID = r"[0-9A-HJKMNP-TV-Z]{26}"
_RANDOM = f"^(?:{_UUID}|{_HASH}|{_ULID})$"
_MAX_SHOWN = 20  # characters of a value


def describe_identifier(name: str, distinct: pl.Series, rows: int) -> tuple[str, ...]:
    """Say that a column of texts names the rows, and how it is left out; nothing where it does not.

    Texts name the rows where each is there once and all are alike but for their digits, or are UUIDs, ULIDs or hashes.

    Args:
        name: of the column.
        distinct: The texts, each once.
        rows: How many rows have one.
    """
    if rows < _MIN_ROWS or len(distinct) < _MIN_DISTINCT_SHARE * rows:
        return ()
    is_numbered = distinct.str.contains(r"\d") & ~distinct.str.contains(r"\s")
    shapes = distinct.str.replace_all(r"\d+", "0")
    if not (is_numbered.all() and shapes.n_unique() == 1) and not distinct.str.contains(_RANDOM).all():
        return ()
    first = distinct.sort()[0][:_MAX_SHOWN]
    return (
        f"column '{name}' is an identifier: each value, such as '{first}', names one row and tells a model nothing "
        f"of new rows; drop: [{name}] leaves it out",
    )
