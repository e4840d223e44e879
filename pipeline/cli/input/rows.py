"""Find and read the rows to predict on."""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from pipeline.cli.input.json_checks import check_cells, check_files
from pipeline.cli.input.json_rows import are_json_lines, is_json, parse_rows, write_json_lines
from pipeline.cli.input.request_rows import RequestRows, Row
from pipeline.contracts.errors import InvalidRequestError

if TYPE_CHECKING:
    from pipeline.contracts.signature import Signature

__all__ = ["RowSource", "find_source"]

_ARGUMENT = "FILE_OR_JSON"


@dataclass(frozen=True, kw_only=True, slots=True)
class RowSource:
    """Source of rows: JSON in ``text``, or a file or folder at ``path``."""

    kind: Literal["json", "stdin", "file", "folder"]
    text: str = ""
    path: Path = Path()

    def read(self, signature: Signature, *, limit: int | None = None, ignore_extra: bool = False) -> RequestRows:
        """Read the first ``limit`` rows by the model's signature.

        Args:
            signature: Signature of the model.
            limit: Maximum number of rows; None for all.
            ignore_extra: Ignore columns that the model does not read; for JSON the API does that.

        Raises:
            DatasetError: The file cannot be read, or lacks a column.
            InvalidRequestError: The rows are malformed, or not of the kind that the model reads.
        """
        if self.kind == "json":
            rows = parse_rows(self.text)[:limit]
            for number, row in enumerate(rows, 1):
                check_cells(row, f"row {number:,}")
            targets = signature.target_columns
            sent = [{name: cell for name, cell in row.items() if name not in targets} for row in rows]
            return RequestRows(rows=iter(sent), truths=_json_truths(rows, signature), verbatim=True)
        with tempfile.TemporaryDirectory(prefix="modeldrop-") as scratch:
            return self._read(signature, limit, Path(scratch), ignore_extra)

    def _read(self, signature: Signature, limit: int | None, scratch: Path, ignore_extra: bool) -> RequestRows:
        from pipeline.cli.input.image_rows import holds_images, read_images
        from pipeline.cli.input.request_rows import read_files

        if self.kind == "stdin":
            files = [("stdin", _write_text("stdin", _read_stdin(), scratch))]
        elif self.kind == "folder" and (data_files := _list_parts(self.path)):
            files = [(file.name, file) for file in data_files]
        elif holds_images(self.path):
            return read_images(self.path, signature, limit)
        elif _is_json_document(self.path):
            files = [(self.path.name, _write_text(self.path.name, _unpack(self.path), scratch))]
        else:
            files = [(self.path.name, self.path)]
        checked, warnings = check_files(files, signature, limit, scratch)
        rows = read_files(checked, signature, limit, scratch, ignore_extra=ignore_extra)
        return replace(rows, warnings=(*rows.warnings, *warnings))


def find_source(source: str) -> RowSource:
    """Parse the argument: a path, JSON rows, or ``-`` for stdin.

    Raises:
        typer.BadParameter: The argument is none of these, or a file of an unknown format.
    """
    if not source:
        raise typer.BadParameter("it is empty: a file, a folder or JSON is expected", param_hint=_ARGUMENT)
    if source == "-":
        return RowSource(kind="stdin")
    if source.lstrip()[:1] in ("{", "["):
        return RowSource(kind="json", text=source)
    path = Path(source)
    if path.is_dir():
        return RowSource(kind="folder", path=path)
    if not path.is_file():
        raise typer.BadParameter(f"'{path}' is neither a file, a folder nor JSON", param_hint=_ARGUMENT)
    _check_format(path)
    return RowSource(kind="file", path=path)


def _check_format(path: Path) -> None:
    from pipeline.contracts.image_decoding import IMAGE_SUFFIXES
    from pipeline.validation.readers.formats import has_format

    if not (has_format(path.name) or _is_json_document(path) or path.name.lower().endswith(IMAGE_SUFFIXES)):
        raise typer.BadParameter(
            f"'{path.name}' is of an unknown kind: csv, tsv, txt, jsonl or json (also .gz), parquet, xlsx, npz, zip, "
            "png or jpg is expected",
            param_hint=_ARGUMENT,
        )


def _is_json_document(path: Path) -> bool:
    return path.name.lower().endswith((".json", ".json.gz"))


def _unpack(path: Path) -> bytes:
    body = path.read_bytes()
    if path.suffix.lower() != ".gz":
        return body
    try:
        return gzip.decompress(body)
    except (gzip.BadGzipFile, EOFError) as error:
        raise InvalidRequestError(f"'{path.name}' is not a complete gzip file, as its name says") from error


def _read_stdin() -> bytes:
    if sys.stdin is None:  # closed by the shell (<&-)
        raise InvalidRequestError("stdin is closed: rows are expected there for '-'")
    return sys.stdin.buffer.read()


def _write_text(name: str, body: bytes, scratch: Path) -> Path:
    """Write text to a file with the suffix of its format, which is detected from the first characters."""
    if not is_json(body):
        path = scratch / "rows.csv"
        path.write_bytes(body)
        return path
    path = scratch / "rows.jsonl"
    if are_json_lines(body):
        path.write_bytes(body)
        return path
    rows = parse_rows(body, name)
    for number, row in enumerate(rows, 1):
        check_cells(row, f"'{name}', row {number:,}", nan=True)
    write_json_lines(rows, path)
    return path


def _list_parts(folder: Path) -> list[Path]:
    """Return the data files of a folder; none if it holds images.

    Raises:
        typer.BadParameter: The folder holds neither data files nor images.
    """
    from pipeline.cli.input.folders import FolderContents
    from pipeline.cli.input.image_rows import has_images
    from pipeline.validation.readers.formats import has_format

    contents = FolderContents.of(folder)
    if contents.data_files:
        contents.check(folder)
    elif not has_images(folder):
        location = " directly in it" if any(has_format(file.name) for file in contents.other_files) else ""
        raise typer.BadParameter(
            f"'{folder}' holds no data file{location}: csv, tsv, txt, jsonl (also .gz), parquet or xlsx is expected "
            "there, or png or jpg",
            param_hint=_ARGUMENT,
        )
    return contents.data_files


def _json_truths(rows: list[Row], signature: Signature) -> list[object]:
    from pipeline.cli.input.request_rows import truths_of

    names = signature.target_columns
    values = [[_json_truth(row.get(name)) for name in names] for row in rows]
    if len(names) == 1:
        return truths_of([value for (value,) in values], signature)
    return truths_of([dict(zip(names, row, strict=True)) for row in values], signature)


def _json_truth(value: object) -> str | None:
    if value is None:
        return None
    return json.dumps(value) if isinstance(value, list) else str(value)
