"""Base class of the files of a source, which are read as batches of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from pipeline.contracts.signature import Task
from pipeline.validation.columns.names import NamedColumns
from pipeline.validation.rejected_rows import RejectedRows

__all__ = ["Read", "TableFile", "read_frame"]

# Reads a batch in a thread. Columns of text are String; those that the first argument names may be Float64. The
# RejectedRows collects unreadable rows.
Read = Callable[[Collection[str], RejectedRows], pl.DataFrame]


def read_frame(frame: pl.DataFrame) -> Read:
    """Return a function that reads a batch that is already in memory."""
    return lambda _numbers, _rejected: frame


@dataclass(frozen=True, kw_only=True, slots=True)
class TableFile(ABC):
    """One file of a source. In a file whose rows have keys (``is_keyed``), a row may lack some of the columns."""

    name: str
    names: NamedColumns
    fields: tuple[str, ...]  # the reader's names of the columns
    expected: str  # description of a valid row, for messages
    header: Literal["auto", "none"] = "auto"
    is_keyed: bool = False
    image: tuple[int, ...] = ()  # height, width, channels of images
    task: Task | None = None  # task that the format implies; None: it implies none
    facts: Mapping[str, object] = field(default_factory=dict)  # encoding and dialect, for the report
    warnings: tuple[str, ...] = ()

    def rename(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rename the reader's columns to their final names."""
        names = dict(zip(self.fields, self.names.names, strict=True))
        return pl.DataFrame([column.alias(names.get(column.name, column.name)) for column in frame])

    @property
    @abstractmethod
    def size(self) -> int:
        """Return the size in bytes of text, which is approximate for other formats."""

    @abstractmethod
    def read_all(self, rejected: RejectedRows) -> pl.DataFrame:
        """Read all rows at once."""

    @abstractmethod
    def batches(self) -> Iterator[Read]:
        """Yield a function that reads one batch, for each batch in the order of the file."""

    @abstractmethod
    def sample(self, fraction: float, rejected: RejectedRows) -> tuple[pl.DataFrame, int]:
        """Read about ``fraction`` of the rows, from the whole file; return them and their size in bytes."""
