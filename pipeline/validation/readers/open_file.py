"""Open a data file by its format."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.validation.columns.names import name_columns
from pipeline.validation.readers.encodings.detection import detect_encoding
from pipeline.validation.readers.encodings.names import UTF_8
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.parquet import ParquetFile
from pipeline.validation.readers.source import File
from pipeline.validation.readers.table_file import Read, TableFile, read_frame
from pipeline.validation.readers.text.json_documents import convert_document, may_be_json
from pipeline.validation.readers.text.json_lines import parse_object
from pipeline.validation.readers.text.plain_text import PlainText, make_plain_text
from pipeline.validation.readers.text.quoted_lines import unquote_lines
from pipeline.validation.readers.text.text_files import DelimitedFile, JsonLinesFile
from pipeline.validation.rejected_rows import RejectedRows

__all__ = ["open_file"]

_HEAD_BYTES = 64 << 10


def open_file(  # noqa: PLR0913 - the arguments of open_rows
    file: File,
    workdir: Path,
    options: ReadOptions,
    rejected: RejectedRows,
    *,
    max_bytes: int,
    block_bytes: int,
    image: tuple[int, ...],
) -> TableFile | None:
    """Open a file; None if it is an empty text file. For arguments and errors see batches.open_rows."""
    if file.form.kind == "parquet":
        return ParquetFile.open(file.name, file.path, block_bytes)
    if file.form.kind in ("arrays", "folders"):
        return _open_images(file, rejected, image)
    scratch = workdir / f"{file.path.name}-scratch"
    scratch.mkdir(exist_ok=True)
    if file.form.kind == "spreadsheet":
        from pipeline.validation.readers.spreadsheet import convert_spreadsheet  # noqa: PLC0415 - other formats do not need it

        path, warnings = convert_spreadsheet(
            file.name,
            file.path,
            scratch,
            sheet=options.sheet,
            is_hint=bool(options.names),
            min_columns=options.min_columns,
            header=options.header,
        )
        text = PlainText(file.name, path, 0, UTF_8, warnings)
        return DelimitedFile.open(text, ",", options, block_bytes)
    if _is_blank(file.path, is_gzip=file.form.gzipped):
        return None
    text = make_plain_text(
        file.name, file.path, scratch, is_gzip=file.form.gzipped, encoding=_encoding(file, options), max_bytes=max_bytes
    )
    is_json = file.form.kind == "json_lines"
    lines = convert_document(text, scratch, is_json=is_json) if may_be_json(text) else None
    if lines or is_json or _is_json(text):
        text = lines or text
        return JsonLinesFile.open(text, options, scratch, block_bytes)
    text = unquote_lines(text, scratch, options.names)
    return DelimitedFile.open(text, file.form.delimiter, options, block_bytes)


def _is_blank(path: Path, *, is_gzip: bool) -> bool:
    if path.stat().st_size > _HEAD_BYTES:
        return False
    data = path.read_bytes()
    if is_gzip:
        try:
            data = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, _HEAD_BYTES)
        except zlib.error:
            return False
    return not data.removeprefix(codecs.BOM_UTF8).strip()


def _encoding(file: File, options: ReadOptions) -> str:
    """Return the requested encoding; empty for a later file that is UTF-8 or has a mark, unlike the training file."""
    if not options.encoding or not options.names:
        return options.encoding
    with gzip.open(file.path) if file.form.gzipped else file.path.open("rb") as opened:
        try:
            head = opened.read(_HEAD_BYTES)
        except (OSError, EOFError, zlib.error):  # a damaged gzip file is reported when it is unpacked
            return options.encoding
    detected = detect_encoding(head, is_complete=len(head) < _HEAD_BYTES)
    return "" if detected and (detected.has_mark or detected.codec == UTF_8.codec) else options.encoding


def _is_json(text: PlainText) -> bool:
    """Return whether the first line is a JSON object, whatever the file's name."""
    with text.path.open("rb") as file:
        file.seek(text.start)
        line = file.readline(_HEAD_BYTES)
    return line.lstrip().startswith(b'{"') and parse_object(line) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class _ImageFile(TableFile):
    """A table of images in memory."""

    frame: pl.DataFrame

    @property
    def size(self) -> int:
        return int(self.frame.estimated_size())

    def read_all(self, rejected: RejectedRows) -> pl.DataFrame:
        return self.frame

    def batches(self) -> Iterator[Read]:
        yield read_frame(self.frame)

    def sample(self, fraction: float, rejected: RejectedRows) -> tuple[pl.DataFrame, int]:
        return self.frame, self.size


def _open_images(file: File, rejected: RejectedRows, image: tuple[int, ...]) -> TableFile:
    from pipeline.validation.readers.images.image_zip import read_image_folders  # noqa: PLC0415 - tables need no Pillow
    from pipeline.validation.readers.images.npz import read_image_arrays  # noqa: PLC0415 - tables do not need it

    if file.form.kind == "arrays":
        images = read_image_arrays(file.name, file.path, image)
    else:
        images = read_image_folders(file.name, file.path, rejected, image)
    return _ImageFile(
        name=file.name,
        names=name_columns(images.frame.columns),
        fields=tuple(images.frame.columns),
        expected="images",
        image=images.shape,
        task=None if images.labels.dtype.is_float() else "classification",
        warnings=images.warnings,
        frame=images.frame,
    )
