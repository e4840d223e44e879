"""The report on how data was read: report.json, and the output of ``modeldrop check``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.parsing.missing import choose_markers
from pipeline.validation.columns.cells import strip_cells
from pipeline.validation.dataset_builder import PreparedFiles
from pipeline.validation.readers.batches import TableRows

__all__ = ["describe"]

_MAX_REJECTED = 100  # maximum rejected rows in the report
_EXAMPLES = 3
_EXAMPLE_ROWS = 1_000  # rows from which examples are taken
_MAX_EXAMPLE = 40  # characters of an example


def describe(rows: TableRows, prepared: PreparedFiles, rejected: Path) -> dict[str, Any]:
    """Describe how a file was read, as a JSON object.

    Args:
        rows: The source's rows.
        prepared: The prepared data set.
        rejected: The file of rejected rows, which may not exist.

    Returns:
        ``encoding``, ``dialect``, ``rows``, ``rejected`` (line or row, and reason), ``columns`` (name, kind, examples,
        missing, dropped), ``target``, ``targets`` (columns of several targets, else empty), ``task``, ``warnings``.
    """
    dataset = prepared.dataset
    used = dataset.rows
    return {
        "encoding": rows.facts.get("encoding"),
        "dialect": rows.facts.get("dialect"),
        "rows": used.train + used.validation + used.test,
        "rejected": _rejected(rejected),
        "columns": _columns(rows, prepared),
        "target": dataset.target or None,
        "targets": list(dataset.signature.target_columns) if dataset.targets else [],
        "task": dataset.task,
        "warnings": list(dataset.warnings),
    }


def _rejected(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line, _ in zip(file, range(_MAX_REJECTED), strict=False)]
    return [{key: row[key] for key in ("file", "line", "row", "image", "reason") if key in row} for row in rows]


def _columns(rows: TableRows, prepared: PreparedFiles) -> list[dict[str, Any]]:
    dataset = prepared.dataset
    target_kind = "numeric" if dataset.task == "regression" else "categorical"
    kinds = {column.name: column.kind for column in dataset.columns}
    targets = dataset.signature.target_columns
    dropped = {column.name: column.reason for column in dataset.left_out}
    return [
        {
            "name": column.name,
            "kind": target_kind if column.name in targets else kinds.get(column.name),
            "examples": _examples(column),
            "missing": prepared.missing[column.name]
            if column.name in prepared.missing
            else strip_cells(column, choose_markers(dataset.missing)).null_count(),
            "dropped": dropped.get(column.name),
        }
        for column in rows.sample
    ]


def _examples(column: pl.Series) -> list[str]:
    if column.dtype == pl.Binary or column.dtype.is_nested():
        return []
    values = dict.fromkeys(column.drop_nulls().head(_EXAMPLE_ROWS).to_list())
    texts = map(str, list(values)[:_EXAMPLES])
    return [text if len(text) <= _MAX_EXAMPLE else f"{text[: _MAX_EXAMPLE - 1]}…" for text in texts]
