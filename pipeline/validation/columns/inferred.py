"""The result of inferring a column: how it is read, with the sample's values, or why it is dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from pipeline.contracts.signature import Column

__all__ = ["DecimalHint", "InferredColumn"]

DecimalHint = Literal["", ".", ","]  # decimal mark that other columns of the file prove; empty if none does


@dataclass(frozen=True, kw_only=True, slots=True)
class InferredColumn:
    """A column that models read.

    ``values`` are those of the rows that were looked at, in the type of the split files (records.dataset), null where
    missing.
    """

    column: Column
    values: pl.Series
    warnings: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Return the column's name."""
        return self.column.name
