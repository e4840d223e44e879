"""Rows to measure an uploaded model on: the rows of calibration.csv, or generated ones."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.brought.limits import MAX_ROWS
from pipeline.contracts.errors import InvalidModelError, InvalidRequestError
from pipeline.contracts.object_keys import CALIBRATION
from pipeline.contracts.signature import Column, Signature
from pipeline.serving.formats.csv_text import decode_csv
from pipeline.serving.request_decoder import RequestDecoder

__all__ = ["CalibrationFile", "make_feeds", "to_frame"]

Feeds = Mapping[str, npt.NDArray[Any]]

_RANDOM_ROWS = 64
_WORDS = ("", "a", "b")
_DELIMITERS = ",;\t"


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationFile:
    """The uploaded calibration.csv.

    Attributes:
        content: Content of the file.
        target: The column that contains labels or values; empty if there is none.
        header: The other columns, in order.
    """

    content: bytes
    target: str
    header: tuple[str, ...]

    @classmethod
    def read(cls, content: bytes, target: str | None) -> CalibrationFile:
        """Read the names of the columns.

        Args:
            content: Content of the file.
            target: The target in train.yaml; None: it names none.

        Raises:
            InvalidModelError: It is not UTF-8, or has no header row.
        """
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidModelError(f"{CALIBRATION} is not UTF-8 (byte {error.start}), which is expected") from None
        line = next(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)), [])
        if not any(name.strip() for name in line):
            raise InvalidModelError(f"{CALIBRATION} has no header row")
        return cls(
            content=content,
            target=target if target in line else "",
            header=tuple(name for name in line if name != target),
        )

    def feeds(self, columns: Sequence[Column]) -> Feeds:
        """Return the first MAX_ROWS rows, decoded like a csv request.

        Raises:
            InvalidModelError: The file lacks a column, or a cell does not fit the kind of its column.
        """
        signature = Signature(task="regression", target="", columns=tuple(columns))
        try:
            feeds = decode_csv(self.content, RequestDecoder(signature, max_rows=10**7), ignore_extra=True)
        except InvalidRequestError as error:
            raise InvalidModelError(f"{CALIBRATION}: {error.message}") from None
        return {name: values[:MAX_ROWS] for name, values in feeds.items()}

    def truth(self) -> list[str]:
        """Return the cells of the target, as texts."""
        text = self.content.decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
        return [(row[self.target] or "").strip() for row in rows][:MAX_ROWS]


def make_feeds(columns: Sequence[Column], integers: frozenset[str], *, seed: int = 0) -> Feeds:
    """Generate rows: standard normal numbers, 0 and 1 for integers and booleans, three words, noise for images.

    Args:
        columns: The columns that the model reads.
        integers: Names of the columns of integers.
        seed: Seed of the random numbers.
    """
    generator = np.random.default_rng(seed)
    feeds: dict[str, npt.NDArray[Any]] = {}
    for column in columns:
        if column.kind == "image":
            feeds[column.name] = generator.integers(0, 256, (_RANDOM_ROWS, *column.shape)).astype(np.uint8)
        elif column.kind == "text":
            feeds[column.name] = generator.choice(np.array(_WORDS, object), _RANDOM_ROWS)
        else:
            is_integer = column.name in integers or column.kind == "boolean"
            numbers = generator.integers(0, 2, _RANDOM_ROWS) if is_integer else generator.standard_normal(_RANDOM_ROWS)
            feeds[column.name] = numbers.astype(np.float64 if column.is_wide else np.float32)
    return feeds


def to_frame(feeds: Feeds, columns: Sequence[Column]) -> pl.DataFrame:
    """Return the rows in the form of split files (contracts.records.dataset)."""
    frame: dict[str, pl.Series] = {}
    for column in columns:
        values = feeds[column.name]
        if column.kind == "image":
            frame[column.name] = pl.Series([image.tobytes() for image in values], dtype=pl.Binary)
        elif column.kind == "text":
            texts = pl.Series([str(text) for text in values], dtype=pl.String)
            frame[column.name] = texts.set(texts == "", None)
        else:
            frame[column.name] = pl.Series(values).fill_nan(None)
    return pl.DataFrame(frame)


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return next((letter for letter in _DELIMITERS if letter in first), ",")
