"""Dialect of a delimited text file: position of its table, and format of its rows."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Dialect"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """Dialect of one file. Byte offsets are those of the UTF-8 file."""

    delimiter: str  # one character, or "::"; " " means runs of blanks and tabs
    fields: tuple[str, ...]  # unmodified header cells; "column_1", ... if there is no header
    has_header: bool
    header_line: int  # 1-based line of the header, or of the first data row
    start: int  # byte where the data rows begin: after the header and the unit row
    end: int  # byte where the data rows end: before a footer, or the file size
    comment: str = ""  # prefix of comment lines among the rows
    comment_rows: bool = False  # whether a line as wide as a row can be a comment: a row that was commented out
    extra_fields: int = 0  # number of empty fields at the end of each data row that the header lacks
    repeats_header: bool = False  # whether the header is repeated among the rows
    index_field: bool = False  # whether rows begin with a row name, for which the header has no field
    units: tuple[str, ...] = ()  # cells of the unit row, which is skipped
    padded_quotes: bool = False  # whether blanks may precede quoted fields, as in 1, "a, b"
    warnings: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Return the number of columns of the rows, without ``extra_fields``."""
        return len(self.fields) + self.index_field
