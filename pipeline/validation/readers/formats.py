"""The format of a data file, which its name decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.contracts.errors import UnreadableDatasetError

__all__ = ["Format", "find_format", "has_format"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """``delimiter`` None: it is told from the first rows. arrays and folders are images."""

    kind: Literal["delimited", "json_lines", "parquet", "spreadsheet", "arrays", "folders"]
    delimiter: str | None = None
    gzipped: bool = False

    @property
    def streamed(self) -> bool:
        """Its rows can be read some at a time."""
        return self.kind in ("delimited", "json_lines", "parquet")


_TEXT = {
    ".csv": Format(kind="delimited"),
    ".tsv": Format(kind="delimited", delimiter="\t"),
    ".txt": Format(kind="delimited"),
    ".data": Format(kind="delimited"),
    ".dat": Format(kind="delimited"),
    ".jsonl": Format(kind="json_lines"),
    ".ndjson": Format(kind="json_lines"),
}
_FORMATS = (
    {".parquet": Format(kind="parquet"), ".xlsx": Format(kind="spreadsheet"), ".xls": Format(kind="spreadsheet")}
    | {".npz": Format(kind="arrays"), ".zip": Format(kind="folders")}
    | _TEXT
    | {f"{ending}.gz": Format(kind=one.kind, delimiter=one.delimiter, gzipped=True) for ending, one in _TEXT.items()}
)


def has_format(file: str) -> bool:
    """Its name ends in one that is known."""
    return _known(file) is not None


def find_format(file: str) -> Format:
    """Raise UnreadableDatasetError for a name that ends in nothing known."""
    if found := _known(file):
        return found
    raise UnreadableDatasetError(f"'{file}' has no known ending: one of {', '.join(_FORMATS)} is expected")


def _known(file: str) -> Format | None:
    return next((found for ending, found in _FORMATS.items() if file.lower().endswith(ending)), None)
