"""One file of a source, as batches of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from pipeline.contracts.signature import Task
from pipeline.validation.columns.names import NamedColumns
from pipeline.validation.rejected_rows import RejectedRows

__all__ = ["Read", "TableFile"]

# The work of a thread: columns of text are String, those that it is told of as numbers perhaps Float64. The
# RejectedRows gets the rows that cannot be read.
Read = Callable[[Collection[str], RejectedRows], pl.DataFrame]


@dataclass(frozen=True, kw_only=True, slots=True)
class TableFile(ABC):
    """``names`` of its columns; of a file whose rows have keys (``is_keyed``) a row may lack some."""

    name: str
    names: NamedColumns
    fields: tuple[str, ...]  # the names as the reader has them
    expected: str  # of a row, as a message says it
    header: Literal["auto", "none"] = "auto"
    is_keyed: bool = False
    image: tuple[int, ...] = ()  # height, width, channels, where they are images
    task: Task | None = None  # where the file itself says it
    facts: Mapping[str, object] = field(default_factory=dict)  # encoding and dialect, as a report tells them
    warnings: tuple[str, ...] = ()

    def rename(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Call columns by their final names where the reader calls them as the file does."""
        names = dict(zip(self.fields, self.names.names, strict=True))
        return pl.DataFrame([column.alias(names.get(column.name, column.name)) for column in frame])

    @property
    @abstractmethod
    def size(self) -> int:
        """Return the bytes of text, approximately for other formats."""

    @abstractmethod
    def read_all(self, rejected: RejectedRows) -> pl.DataFrame:
        """Read all rows at once."""

    @abstractmethod
    def batches(self) -> Iterator[Read]:
        """Give the work of reading each batch, in the order of the file."""

    @abstractmethod
    def sample(self, fraction: float, rejected: RejectedRows) -> tuple[pl.DataFrame, int]:
        """Read rows from all over the file, about ``fraction`` of it, and tell how many bytes they have."""
