"""parquet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.validation.columns.names import check_cells, check_names

__all__ = ["damaged", "read_parquet", "scan_parquet"]

_MAGIC = b"PAR1"


def read_parquet(name: str, path: Path) -> pl.DataFrame:
    """The whole file. Raise UnreadableDatasetError when it is empty, cut, damaged or too large; InvalidColumnsError."""
    scan, rows = scan_parquet(name, path)
    with damaged(name):
        check_cells(name, len(scan.collect_schema()) * rows)
        return scan.collect()


def scan_parquet(name: str, path: Path) -> tuple[pl.LazyFrame, int]:
    """The file, and how many rows it has; raise UnreadableDatasetError for its ends, InvalidColumnsError."""
    _check_ends(name, path)
    with damaged(name):
        scan = pl.scan_parquet(path, glob=False)
        check_names(scan.collect_schema().names())
        return scan, int(scan.select(pl.len()).collect().item())


@contextmanager
def damaged(name: str) -> Iterator[None]:
    """What polars says of a file's pages is an UnreadableDatasetError."""
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise UnreadableDatasetError(
            f"'{name}' is a damaged parquet file: its pages or its schema cannot be read"
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
