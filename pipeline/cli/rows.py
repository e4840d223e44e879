"""Rows to predict on, from a file, a JSON text or stdin, one at a time."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

import typer

from pipeline.contracts.errors import InvalidRequestError

__all__ = ["Row", "Rows", "read_rows"]

Row = dict[str, Any]
_DELIMITERS = ",;\t|"
_PICTURES = (".png", ".jpg", ".jpeg")
_SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".json", ".npz", *_PICTURES)
_IMAGE = "image"  # the column of a model that reads images


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """``typed`` is false for csv and tsv, where every value is text and the model's signature says what it means.

    ``verbatim``: given as JSON on the command line, so sent as it is; the API then says what is wrong with it.
    """

    rows: Iterator[Row]
    typed: bool
    verbatim: bool = False

    def batches(self, count: int) -> Iterator[list[Row]]:
        """Lists of ``count`` rows; the last one may be shorter."""
        while batch := list(islice(self.rows, count)):
            yield batch


def read_rows(source: str, *, limit: int | None = None) -> Rows:
    """The first ``limit`` rows of ``source``: a file's path, a row or rows as JSON, or ``-`` for stdin.

    Raises typer.BadParameter when it is none of these; reading on raises InvalidRequestError where a row is broken.
    """
    if source == "-":
        found = _of_text(sys.stdin.read())
    elif source.lstrip()[:1] in ("{", "["):
        found = Rows(rows=iter(_of_json(source)), typed=True, verbatim=True)
    else:
        found = _of_file(Path(source))
    return replace(found, rows=islice(found.rows, limit))


def _of_file(path: Path) -> Rows:
    if not path.is_file():
        raise typer.BadParameter(f"'{path}' is neither a file nor JSON", param_hint="FILE_OR_JSON")
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    match suffix:
        case ".csv" | ".tsv":
            return Rows(rows=_csv(_opened(path)), typed=False)
        case ".jsonl":
            return Rows(rows=_json_lines(_opened(path)), typed=True)
        case ".json":
            with _text_expected():
                return _of_text(path.read_text("utf-8-sig"))
        case ".parquet":
            return Rows(rows=_parquet(path), typed=True)
        case ".npz":
            return Rows(rows=_image_arrays(path), typed=True)
        case _ if suffix in _PICTURES:
            picture = base64.b64encode(path.read_bytes()).decode()
            return Rows(rows=iter([{_IMAGE: {"b64": picture}}]), typed=True)
        case _:
            raise typer.BadParameter(
                f"'{path.name}' is of an unknown kind: one of {', '.join(_SUFFIXES)} is expected",
                param_hint="FILE_OR_JSON",
            )


def _of_text(text: str) -> Rows:
    """JSON, JSON lines or CSV, told by how it begins."""
    text = text.removeprefix("\ufeff").lstrip()
    if text[:1] == "{" and "\n{" in text.rstrip():
        return Rows(rows=_json_lines(io.StringIO(text)), typed=True)
    if text[:1] in ("{", "["):
        return Rows(rows=iter(_of_json(text)), typed=True)
    return Rows(rows=_csv(io.StringIO(text)), typed=False)


def _of_json(text: str) -> list[Row]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidRequestError(
            f"the rows are not JSON (line {error.lineno}, column {error.colno}): {error.msg.lower()}"
        ) from error
    if isinstance(document, dict):
        document = document.get("rows", [document])
    if not (isinstance(document, list) and document and all(isinstance(row, dict) for row in document)):
        raise InvalidRequestError('a row such as {"column": value}, or a list of them, is expected')
    return document


def _json_lines(stream: IO[str]) -> Iterator[Row]:
    with stream, _text_expected():
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise InvalidRequestError(
                    f"line {number}, column {error.colno} is not JSON: {error.msg.lower()}"
                ) from error
            if not isinstance(row, dict):
                raise InvalidRequestError(f"line {number} is not an object: a row such as {{...}} is expected")
            yield row


def _csv(stream: IO[str]) -> Iterator[Row]:
    with stream, _text_expected():
        first = stream.readline()
        delimiter = max(_DELIMITERS, key=first.count)
        reader = csv.reader(_again(first, stream), delimiter=delimiter)
        header = next(reader, [])
        for values in reader:
            if not values:
                continue
            if len(values) != len(header):
                raise InvalidRequestError(
                    f"line {reader.line_num} has {len(values)} values where the header names {len(header)} columns"
                )
            yield dict(zip(header, values, strict=True))


def _again(first: str, rest: IO[str]) -> Iterator[str]:
    yield first
    yield from rest


def _parquet(path: Path) -> Iterator[Row]:
    import polars as pl

    try:
        frame = pl.read_parquet(path).with_columns(pl.selectors.decimal().cast(pl.Float64))
    except pl.exceptions.PolarsError as error:
        raise InvalidRequestError(f"{path.name} is not a parquet file, or is cut off") from error
    return frame.iter_rows(named=True)


def _image_arrays(path: Path) -> Iterator[Row]:
    """Images as nested arrays, beside their labels."""
    from pipeline.validation.readers.npz import read_image_arrays

    found = read_image_arrays(path.name, path)
    for image, label in zip(found.pixels, found.labels, strict=True):
        yield {_IMAGE: image.tolist(), found.labels.name: label}


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


@contextmanager
def _text_expected() -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise InvalidRequestError("the rows are not text: UTF-8 is expected") from error
    except (gzip.BadGzipFile, EOFError) as error:
        raise InvalidRequestError("the rows are not gzip, as the file's name says, or are cut off") from error
