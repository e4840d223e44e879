"""Read parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import polars as pl

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.validation.columns.names import check_cells, name_columns
from pipeline.validation.readers.table_file import Read, TableFile, read_frame
from pipeline.validation.rejected_rows import RejectedRows

__all__ = ["ParquetFile", "scan_parquet"]

_SAMPLE_ROWS = 60_000
_CELL_BYTES = 8  # mean size of a cell as text; by this a batch of parquet has as many cells as a block of text
_STRETCHES = 25  # number of ranges of consecutive rows in the sample
_MAGIC = b"PAR1"


@dataclass(frozen=True, kw_only=True, slots=True)
class ParquetFile(TableFile):
    """A parquet file with ``rows`` rows; the columns keep the types of the file."""

    scan: pl.LazyFrame
    rows: int
    batch_rows: int

    @classmethod
    def open(cls, name: str, path: Path, block_bytes: int) -> Self:
        """Read the schema.

        Raises:
            UnreadableDatasetError: The file is empty, truncated or damaged.
            InvalidColumnsError: The file has too many columns or none.
        """
        scan, rows = scan_parquet(name, path)
        columns = scan.collect_schema().names()
        names = name_columns(columns)
        return cls(
            name=name,
            names=names,
            fields=tuple(columns),
            expected="rows of one schema",
            warnings=names.warnings,
            scan=scan,
            rows=rows,
            batch_rows=max(1, block_bytes // _CELL_BYTES // max(1, len(columns))),
        )

    @property
    def size(self) -> int:
        """Return the approximate size as text, in bytes."""
        return self.rows * len(self.names.names) * _CELL_BYTES

    def read_all(self, rejected: RejectedRows) -> pl.DataFrame:
        """Return all rows.

        Raises:
            UnreadableDatasetError: The file is damaged or has too many cells.
        """
        check_cells(self.name, self.rows * len(self.names.names))
        with report_damage(self.name):
            return self.scan.collect()

    def batches(self) -> Iterator[Read]:
        """Yield functions that each return one batch of rows.

        Raises:
            UnreadableDatasetError: The file is damaged.
        """
        with report_damage(self.name):
            for frame in self.scan.collect_batches(chunk_size=self.batch_rows):
                yield read_frame(frame)

    def sample(self, fraction: float, rejected: RejectedRows) -> tuple[pl.DataFrame, int]:
        """Return rows from the whole file, and the approximate bytes that they would take as text.

        Raises:
            UnreadableDatasetError: The file is damaged.
        """
        length = max(1, _SAMPLE_ROWS // _STRETCHES)
        step = max(length, self.rows // _STRETCHES)
        with report_damage(self.name):
            frame = pl.concat([self.scan.slice(row, length).collect() for row in range(0, self.rows or 1, step)])
        return frame, max(1, self.size * frame.height // max(1, self.rows))


def scan_parquet(name: str, path: Path) -> tuple[pl.LazyFrame, int]:
    """Open a parquet file.

    Returns:
        The lazy frame, and the number of rows.

    Raises:
        UnreadableDatasetError: The file is empty, truncated or damaged.
    """
    _check_ends(name, path)
    with report_damage(name):
        scan = pl.scan_parquet(path, glob=False)
        scan.collect_schema()
        return scan, int(scan.select(pl.len()).collect().item())


@contextmanager
def report_damage(name: str) -> Iterator[None]:
    """Translate polars' errors for a damaged file.

    Raises:
        UnreadableDatasetError: The file is damaged.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise UnreadableDatasetError(
            f"'{name}' is a damaged parquet file: its pages or schema cannot be read"
        ) from error


def _check_ends(name: str, path: Path) -> None:
    size = path.stat().st_size
    if size == 0:
        raise UnreadableDatasetError(f"'{name}' is empty: a parquet file is expected")
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
        file.seek(max(0, size - len(_MAGIC)))
        end = file.read()
    if start != _MAGIC:
        raise UnreadableDatasetError(f"'{name}' is not a parquet file: '{_MAGIC.decode()}' is expected at byte 0")
    if end != _MAGIC:
        raise UnreadableDatasetError(
            f"'{name}' is a truncated parquet file: '{_MAGIC.decode()}' is expected at its end (byte {size:,})"
        )
