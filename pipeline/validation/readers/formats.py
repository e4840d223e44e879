"""The format of a data file, decided by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.contracts.errors import InvalidModelError, UnreadableDatasetError

__all__ = ["Format", "find_format", "has_format"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """Format of a file. ``delimiter`` None: it is detected from the first rows. Arrays and folders hold images."""

    kind: Literal["delimited", "json_lines", "parquet", "spreadsheet", "arrays", "folders"]
    delimiter: str | None = None
    gzipped: bool = False

    @property
    def streamed(self) -> bool:
        """Return whether rows can be read in batches."""
        return self.kind in ("delimited", "json_lines", "parquet")


_TEXT = {
    ".csv": Format(kind="delimited"),
    ".tsv": Format(kind="delimited", delimiter="\t"),
    ".txt": Format(kind="delimited"),
    ".data": Format(kind="delimited"),
    ".dat": Format(kind="delimited"),
    ".jsonl": Format(kind="json_lines"),
    ".ndjson": Format(kind="json_lines"),
    ".json": Format(kind="json_lines"),  # a document is rewritten as lines
}
_FORMATS = (
    {".parquet": Format(kind="parquet"), ".xlsx": Format(kind="spreadsheet"), ".xls": Format(kind="spreadsheet")}
    | {".npz": Format(kind="arrays"), ".zip": Format(kind="folders")}
    | _TEXT
    | {f"{ending}.gz": Format(kind=form.kind, delimiter=form.delimiter, gzipped=True) for ending, form in _TEXT.items()}
)

# Formats that pipeline.conversion can read.
_TRAINED_MODELS = (".joblib", ".pkl", ".pickle", ".cbm", ".pt", ".pth", ".safetensors", ".keras", ".h5")


def has_format(file: str) -> bool:
    """Return whether the file's name has a known ending."""
    return _look_up(file) is not None


def find_format(file: str) -> Format:
    """Return the format of a file by its name.

    Raises:
        UnreadableDatasetError: The name has no known ending.
        InvalidModelError: The name is that of a trained model that only its own library reads.
    """
    if form := _look_up(file):
        return form
    if file.lower().endswith(_TRAINED_MODELS):
        raise InvalidModelError(
            f"'{file}' is a trained model that only its own library reads, and loading it may run code: "
            f"'modeldrop convert {file} --sample ROWS.csv', on your machine, makes an .onnx file of it, which you can "
            "drop"
        )
    raise UnreadableDatasetError(f"'{file}' has no known ending: one of {', '.join(_FORMATS)} is expected")


def _look_up(file: str) -> Format | None:
    return next((form for ending, form in _FORMATS.items() if file.lower().endswith(ending)), None)
