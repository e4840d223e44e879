"""Download an uploaded file or a set of part files, and describe them as the source of one data set."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import polars as pl

from pipeline.contracts.errors import InvalidColumnsError, UnreadableDatasetError
from pipeline.contracts.object_keys import MAX_PARTS, UploadKey, parse_upload_key
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.run import Part, Upload
from pipeline.validation.columns.names import suggest
from pipeline.validation.limits import LARGE_BYTES, LARGE_CELLS
from pipeline.validation.readers.formats import Format, find_format
from pipeline.validation.readers.parquet import scan_parquet

__all__ = ["File", "Source", "check_same_columns", "fetch", "hash_files", "is_large", "list_files"]

_GZIP_BYTES = 18  # minimum size of a gzip file


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file on the local disk; ``name`` is the name that the user gave it."""

    name: str
    path: Path
    form: Format


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """The files of one data set. ``digest`` is computed in a thread while the files are read."""

    name: str
    files: tuple[File, ...]
    digest: Future[str]

    @classmethod
    def of_file(cls, name: str, path: Path, form: Format | None = None) -> Self:
        """Return one file as a source without a digest; the default format is that of its name."""
        return cls(name=name, files=(File(name=name, path=path, form=form or find_format(name)),), digest=Future())

    @property
    def sha256(self) -> str:
        """Return the digest of the file.

        For several files it is the digest of the lines ``<sha256>  <name>``, as ``sha256sum *`` writes them.
        """
        return self.digest.result()


def list_files(upload: Upload) -> list[tuple[Part, str, Format]]:
    """Return the uploaded files with their names and formats.

    Raises:
        UnreadableDatasetError: A name has no known ending, there are too many part files or none, or formats differ.
    """
    named = parse_upload_key(upload.key)
    if named.dataset is None:
        uploaded = Part(key=upload.key, version_id=upload.version_id, bytes=upload.bytes)
        return [(uploaded, named.file, find_format(named.file))]
    return _list_part_files(upload, named)


def _list_part_files(upload: Upload, named: UploadKey) -> list[tuple[Part, str, Format]]:
    if not upload.parts:
        raise UnreadableDatasetError(
            f"'{named.display_name}' has no part files with its _SUCCESS: files such as part-0.parquet are expected"
        )
    if len(upload.parts) > MAX_PARTS:
        raise UnreadableDatasetError(f"'{named.display_name}' has more than {MAX_PARTS:,} part files, the maximum")
    filled = [part_file for part_file in upload.parts if part_file.bytes] or upload.parts  # an empty file has no rows
    files = [(part_file, name := part_file.key.rsplit("/", 1)[1], find_format(name)) for part_file in filled]
    _, first, first_form = files[0]
    for _, name, form in files:
        if form.kind != first_form.kind:
            raise UnreadableDatasetError(
                f"'{named.display_name}' holds '{first}' and '{name}': parts of one format are expected"
            )
    return files


def fetch(upload: Upload, uploads: ObjectStore, folder: Path) -> Source:
    """Download the uploaded files into ``folder``.

    Raises:
        UnreadableDatasetError: A name has no known ending, there are too many part files or none, or formats differ.
    """
    files = []
    for number, (part_file, name, form) in enumerate(list_files(upload)):
        path = folder / f"part-{number:05}"
        uploads.download(part_file.key, path, version_id=part_file.version_id)
        files.append(File(name=name, path=path, form=form))
    named = parse_upload_key(upload.key)
    pool = ThreadPoolExecutor(1)
    paths = {file.name: file.path for file in files}
    digest = pool.submit(hash_files, paths, several=named.dataset is not None)
    pool.shutdown(wait=False)
    return Source(name=named.display_name, files=tuple(files), digest=digest)


def is_large(source: Source) -> bool:
    """Return whether the data set is too large to be read at once: by its unpacked bytes, or by its cells."""
    if not all(file.form.streamed for file in source.files):
        return False
    if source.files[0].form.kind == "parquet":
        return sum(_count_cells(file) for file in source.files) > LARGE_CELLS
    return sum(_estimate_bytes(file) for file in source.files) > LARGE_BYTES


def _count_cells(file: File) -> int:
    scan, rows = scan_parquet(file.name, file.path)
    return rows * len(scan.collect_schema())


def _estimate_bytes(file: File) -> int:
    """Return the size after decompression, which the last four bytes of a gzip file contain modulo 2**32.

    The result is at least four times the packed size, since the number may have wrapped around.
    """
    packed = file.path.stat().st_size
    if not file.form.gzipped or packed < _GZIP_BYTES:
        return packed
    with file.path.open("rb") as opened:
        opened.seek(-4, os.SEEK_END)
        return max(4 * packed, int.from_bytes(opened.read(4), "little"))


def hash_files(paths: Mapping[str, Path], *, several: bool) -> str:
    """Hash an uploaded file, or several part files with their names; see ``Source.sha256``."""
    digests = {}
    for name, path in paths.items():
        with path.open("rb") as opened:
            digests[name] = hashlib.file_digest(opened, "sha256").hexdigest()
    if not several:
        return next(iter(digests.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def check_same_columns(name: str, schema: pl.Schema, first: str, first_schema: pl.Schema) -> None:
    """Check that a part file has the columns of the first one, and their types.

    Args:
        name: Name of the part file.
        schema: Columns of the part file.
        first: Name of the first part file.
        first_schema: Columns of the first part file.

    Raises:
        InvalidColumnsError: A column is missing, added, or of another type.
    """
    for column in first_schema:
        if column not in schema:
            raise InvalidColumnsError(
                f"the part '{name}' has no column '{column}', which '{first}' has: {suggest(column, schema.names())}"
            )
    for column, dtype in schema.items():
        if column not in first_schema:
            raise InvalidColumnsError(
                f"the part '{name}' has a column '{column}', which '{first}' does not have: "
                f"{suggest(column, first_schema.names())}"
            )
        first_dtype = first_schema[column]
        if _find_family(dtype) != _find_family(first_dtype) and pl.Null not in (dtype, first_dtype):
            raise InvalidColumnsError(
                f"the part '{name}': column '{column}' holds {dtype} values, where '{first}' has {first_dtype}"
            )


def _find_family(dtype: pl.DataType) -> object:
    """Return a key that is equal for types that polars can concatenate."""
    return "numeric" if dtype.is_numeric() else dtype
