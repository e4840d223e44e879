"""Options for reading a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ReadOptions"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadOptions:
    """Options of one file. ``names``: expected columns of a later file of a known model; empty for a first file."""

    header: Literal["auto", "none"] = "auto"
    encoding: str = ""  # empty: detected
    sheet: str = ""  # empty: the first sheet with a table
    names: tuple[str, ...] = ()

    @property
    def min_columns(self) -> int:
        """Return the minimum number of columns: a later file may have only one, which the model reads."""
        return 1 if self.names else 2
