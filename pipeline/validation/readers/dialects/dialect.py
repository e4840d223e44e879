"""Dialect of a delimited text file: position of its table, and format of its rows."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Dialect"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """Dialect of one file. Byte offsets are those of the UTF-8 file."""

    delimiter: str  # one character, or "::"; " " means runs of blanks and tabs
    fields: tuple[str, ...]  # header cells as written; invented ("column_1", ...) when there is no header
    has_header: bool
    header_line: int  # 1-based line of the header, or of the first data row
    start: int  # byte where the data rows begin: after the header and the unit row
    end: int  # byte where they end: before a footer, or the file size
    comment: str = ""  # prefix of comment lines among the rows
    comment_rows: bool = False  # a comment line may be as wide as a row: one that was commented out
    extra_fields: int = 0  # empty fields at the end of each data row that the header lacks
    repeats_header: bool = False  # the header is repeated among the rows
    index_field: bool = False  # rows begin with a row name, for which the header has no field
    units: tuple[str, ...] = ()  # the unit row that was skipped
    padded_quotes: bool = False  # quoted fields follow blanks: 1, "a, b"
    warnings: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Return how many columns the rows have."""
        return len(self.fields) + self.index_field
