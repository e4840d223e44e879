"""Sample rows for a model: they name its columns, and predictions are compared on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.errors import InvalidModelError, UnreadableDatasetError

__all__ = ["MAX_ROWS", "Sample", "read_sample"]

MAX_ROWS = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Rows of a file, by column.

    Attributes:
        frame: The rows; a column is Float64 or String.
        file: Name of the file, for messages.
    """

    frame: pl.DataFrame
    file: str

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return self.frame.columns

    def is_text(self, column: str) -> bool:
        """Return whether a column holds texts."""
        return bool(self.frame.schema[column] == pl.String)

    def select(self, names: Sequence[str]) -> Sample:
        """Return the columns that a model reads, in the order of ``names``.

        Raises:
            InvalidModelError: The file lacks one of them.
        """
        absent = [name for name in names if name not in self.columns]
        if absent:
            raise InvalidModelError(
                f"{self.file} has no column '{absent[0]}', which the model reads; it has {', '.join(self.columns[:8])}"
            )
        return Sample(frame=self.frame.select(names), file=self.file)

    def expect_width(self, width: int) -> Sample:
        """Return the sample itself if it has as many columns as the model reads.

        Raises:
            InvalidModelError: The number of columns differs.
        """
        if len(self.columns) != width:
            raise InvalidModelError(
                f"{self.file} has {len(self.columns)} columns, and the model reads {width}: the sample needs only its "
                "features, in order, without the target"
            )
        return self

    def matrix(self) -> npt.NDArray[np.float32]:
        """Return the rows as numbers, ``[rows, columns]``.

        Raises:
            InvalidModelError: A column holds texts.
        """
        for column in self.columns:
            if self.is_text(column):
                raise InvalidModelError(f"{self.file}: column '{column}' holds texts, and the model reads only numbers")
        return self.frame.to_numpy().astype(np.float32)

    def feeds(self) -> dict[str, npt.NDArray[Any]]:
        """Return the rows as inputs of a graph that reads raw columns."""
        return {
            column: self.frame[column].fill_null("").to_numpy().astype(object)
            if self.is_text(column)
            else self.frame[column].to_numpy().astype(np.float32)
            for column in self.columns
        }


def read_sample(path: Path) -> Sample:
    """Read the first MAX_ROWS rows of a csv or Parquet file.

    Raises:
        UnreadableDatasetError: The file is neither csv nor Parquet, or has no rows.
    """
    try:
        rows = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, n_rows=MAX_ROWS)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).partition("\n")[0]
        raise UnreadableDatasetError(f"the sample {path.name} is neither csv nor Parquet: {reason}") from None
    if rows.is_empty():
        raise UnreadableDatasetError(f"the sample {path.name} has no rows")
    texts = [name for name, dtype in rows.schema.items() if not (dtype.is_numeric() or dtype == pl.Boolean)]
    frame = rows.head(MAX_ROWS).with_columns(pl.col(texts).cast(pl.String), pl.all().exclude(texts).cast(pl.Float64))
    return Sample(frame=frame, file=path.name)
