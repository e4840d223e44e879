"""Result of inferring a column: the rule by which it is read, with the sample's values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from pipeline.contracts.signature import Column

__all__ = ["DecimalHint", "InferredColumn"]

DecimalHint = Literal["", ".", ","]  # decimal mark that other columns of the file prove; empty: none is proven


@dataclass(frozen=True, kw_only=True, slots=True)
class InferredColumn:
    """A column that models read.

    ``values`` are the values of the sampled rows in the type of the split files (records.dataset), null if missing.
    """

    column: Column
    values: pl.Series
    warnings: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Return the column's name."""
        return self.column.name
