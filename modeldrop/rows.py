"""Convert rows for requests, and predictions for callers: lists, columns, pandas and polars frames, files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from modeldrop.errors import ClientError

__all__ = ["Frame", "Prediction", "Progress", "Rows", "frame_kind", "make_batches", "read_file", "to_frame", "to_rows"]

Prediction = dict[str, Any]
Progress = Callable[[int], None]
Rows = Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]]  # rows, or columns
_MAX_ROWS, _MAX_CELLS = 10_000, 50_000  # per request
_CONTENT_TYPES = {".csv": "text/csv", ".tsv": "text/tab-separated-values", ".parquet": "application/vnd.apache.parquet"}


class Frame(Protocol):
    """A pandas or polars frame."""

    @property
    def columns(self) -> Any:
        """Return the names of its columns."""


def frame_kind(rows: Any) -> Literal["pandas", "polars", ""]:
    """Return the library of a frame; empty for rows and columns."""
    library = type(rows).__module__.partition(".")[0]
    return library if library in ("pandas", "polars") and hasattr(rows, "columns") else ""  # type: ignore[return-value]  # mypy does not narrow by the tuple


def to_rows(rows: Any) -> list[dict[str, Any]]:
    """Return rows as dictionaries that JSON can represent.

    Args:
        rows: A pandas or polars frame, a sequence of mappings, or a mapping of columns.

    Raises:
        ClientError: ``rows`` has another type.
    """
    match frame_kind(rows):
        case "pandas":
            frame = rows.astype(object).where(rows.notna(), None)
            return [{name: _to_cell(cell) for name, cell in row.items()} for row in frame.to_dict("records")]
        case "polars":
            return [{name: _to_cell(cell) for name, cell in row.items()} for row in rows.to_dicts()]
    if isinstance(rows, Mapping):
        names = list(rows)
        return [dict(zip(names, cells, strict=True)) for cells in zip(*rows.values(), strict=True)]
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes) and all(isinstance(r, Mapping) for r in rows):
        return [dict(row) for row in rows]
    raise ClientError(f"a frame, rows or columns are expected, not {type(rows).__name__}")


def make_batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Split rows into batches that each fit into one request."""
    width = max(1, len(rows[0])) if rows else 1
    size = max(1, min(_MAX_ROWS, _MAX_CELLS // width))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def read_file(path: Path) -> tuple[str, bytes]:
    """Return the content type and the content of a file with rows.

    Raises:
        ClientError: The API does not read files with this suffix.
    """
    content_type = _CONTENT_TYPES.get(path.suffix.lower())
    if content_type is None:
        raise ClientError(f"a file that ends in {', '.join(_CONTENT_TYPES)} is expected, not '{path.name}'")
    return content_type, path.read_bytes()


def to_frame(predictions: list[Prediction], data: Any) -> Any:
    """Return predictions as a frame of the library of ``data``; unchanged if ``data`` is not a frame.

    The frame has one row per prediction, with nested values in columns named ``field_key``. A pandas frame has the
    index of ``data``.
    """
    match frame_kind(data):
        case "pandas":
            import pandas as pd  # noqa: PLC0415 - optional

            return pd.DataFrame([_flatten(prediction) for prediction in predictions], index=data.index)
        case "polars":
            import polars as pl  # noqa: PLC0415 - optional

            return pl.DataFrame([_flatten(prediction) for prediction in predictions])
    return predictions


def _flatten(prediction: Prediction) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in prediction.items():
        row |= {f"{name}_{key}": cell for key, cell in value.items()} if isinstance(value, dict) else {name: value}
    return row


def _to_cell(cell: Any) -> Any:
    """Convert a cell for JSON: numpy's numbers to Python's, NaN to None, dates to ISO 8601."""
    if hasattr(cell, "item"):
        cell = cell.item()
    if hasattr(cell, "isoformat"):
        return cell.isoformat()
    return None if isinstance(cell, float) and cell != cell else cell  # noqa: PLR0124 - NaN
