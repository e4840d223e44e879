"""Read as many rows of a split's parquet file as fit in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import polars as pl

__all__ = ["SplitFile"]

_MEASURED_ROWS = 1_000
_COPIES = 2  # the frame, and the arrays that the served file reads
_TEXT_BYTES = 60  # overhead of a Python string, without its characters


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitFile:
    """A split on disk.

    Args:
        path: Parquet file of the split.
        rows: Number of rows.
        row_bytes: Memory of one row while it is evaluated, estimated from the first rows.
    """

    path: Path
    rows: int
    row_bytes: float

    @classmethod
    def of(cls, path: Path) -> Self:
        """Count the rows, and measure the first 1,000 rows without reading the others."""
        lazy = pl.scan_parquet(path)
        rows = int(lazy.select(pl.len()).collect().item())
        first = lazy.head(_MEASURED_ROWS).collect()
        texts = sum(kind == pl.String for kind in first.dtypes) * _TEXT_BYTES
        row_bytes = texts + _COPIES * first.estimated_size() / max(1, first.height)
        return cls(path=path, rows=rows, row_bytes=row_bytes)

    @property
    def bytes(self) -> int:
        """Return the approximate size of all rows in memory."""
        return int(self.rows * self.row_bytes)

    def read(self, *, max_bytes: int, max_rows: int | None = None) -> pl.DataFrame:
        """Read every n-th row, with the smallest n for which the rows fit; all rows if n is 1.

        Args:
            max_bytes: Maximum size of the rows in memory; at least one row is read.
            max_rows: Maximum number of rows; None: as many as fit.

        Returns:
            Evenly spaced rows, in their order.
        """
        fitting = max(1, int(max_bytes // max(self.row_bytes, 1)))
        row_count = min(fitting, max_rows or fitting)
        every = max(1, -(-self.rows // row_count))
        return pl.scan_parquet(self.path).gather_every(every).collect(engine="streaming")
