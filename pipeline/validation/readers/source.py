"""What was uploaded, on this machine's disk: one file, or a set of part files that are one data set."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.contracts.errors import InvalidColumnsError, UnreadableDatasetError
from pipeline.contracts.names import MOST_PARTS, UploadKey, parse_upload_key
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.run import Part, Upload
from pipeline.validation.columns.names import suggest
from pipeline.validation.limits import LARGE_BYTES, LARGE_CELLS
from pipeline.validation.readers.formats import Format, find_format
from pipeline.validation.readers.parquet import scan_parquet

_GZIP_BYTES = 18  # the least

__all__ = ["File", "Source", "check_same_columns", "fetch", "is_large", "list_files"]


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """``name`` as a user calls it."""

    name: str
    path: Path
    form: Format


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """``digest`` is told while the files are read."""

    name: str
    files: tuple[File, ...]
    digest: Future[str]

    @property
    def sha256(self) -> str:
        """Of the one file; of several, of the lines ``<sha256>  <name>``, as ``sha256sum *`` writes them."""
        return self.digest.result()


def list_files(upload: Upload) -> list[tuple[Part, str, Format]]:
    """The uploaded files with their names and formats; raise UnreadableDatasetError for a name or a number of them."""
    named = parse_upload_key(upload.key)
    if named.dataset is None:
        part = Part(key=upload.key, version_id=upload.version_id, bytes=upload.bytes)
        return [(part, named.file, find_format(named.file))]
    return _parts_of(upload, named)


def _parts_of(upload: Upload, named: UploadKey) -> list[tuple[Part, str, Format]]:
    if not upload.parts:
        raise UnreadableDatasetError(
            f"'{named.shown}' has no part files beside its _SUCCESS: files such as part-0.parquet are expected"
        )
    if len(upload.parts) > MOST_PARTS:
        raise UnreadableDatasetError(f"'{named.shown}' has more than {MOST_PARTS:,} part files, which are the most")
    parts = [part for part in upload.parts if part.bytes] or upload.parts  # one without bytes had no rows to hold
    files = [(part, name := part.key.rsplit("/", 1)[1], find_format(name)) for part in parts]
    _, first, form = files[0]
    for _, name, other in files:
        if other.kind != form.kind:
            raise UnreadableDatasetError(
                f"'{named.shown}' holds '{first}' and '{name}': parts of one format are expected"
            )
    return files


def fetch(upload: Upload, uploads: ObjectStore, folder: Path) -> Source:
    """Download what ``list_files`` names into ``folder``."""
    files = []
    for number, (part, name, form) in enumerate(list_files(upload)):
        path = folder / f"part-{number:05}"
        uploads.download(part.key, path, version_id=part.version_id)
        files.append(File(name=name, path=path, form=form))
    named = parse_upload_key(upload.key)
    pool = ThreadPoolExecutor(1)
    digest = pool.submit(_sha256_of, files, several=named.dataset is not None)
    pool.shutdown(wait=False)
    return Source(name=named.shown, files=tuple(files), digest=digest)


def is_large(source: Source) -> bool:
    """Too large to be read at once: by its bytes once they are unpacked, or its cells."""
    if not all(file.form.streamed for file in source.files):
        return False
    if source.files[0].form.kind == "parquet":
        return sum(_cells(file) for file in source.files) > LARGE_CELLS
    return sum(_plain_bytes(file) for file in source.files) > LARGE_BYTES


def _cells(file: File) -> int:
    scan, rows = scan_parquet(file.name, file.path)
    return rows * len(scan.collect_schema())


def _plain_bytes(file: File) -> int:
    """The last four bytes of a gzip file say it, modulo 2**32: less than four times of what is packed is no answer."""
    packed = file.path.stat().st_size
    if not file.form.gzipped or packed < _GZIP_BYTES:
        return packed
    with file.path.open("rb") as opened:
        opened.seek(-4, os.SEEK_END)
        return max(4 * packed, int.from_bytes(opened.read(4), "little"))


def _sha256_of(files: Sequence[File], *, several: bool) -> str:
    digests = []
    for file in files:
        with file.path.open("rb") as opened:
            digests.append(hashlib.file_digest(opened, "sha256").hexdigest())
    if not several:
        return digests[0]
    lines = "".join(f"{digest}  {file.name}\n" for digest, file in zip(digests, files, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def check_same_columns(name: str, schema: pl.Schema, first: str, wanted: pl.Schema) -> None:
    """Raise InvalidColumnsError when the part ``name`` has other columns than the ``first``, or others' types."""
    for column in wanted:
        if column not in schema:
            raise InvalidColumnsError(
                f"the part '{name}' has no column '{column}', which '{first}' has: {suggest(column, schema.names())}"
            )
    for column, dtype in schema.items():
        if column not in wanted:
            raise InvalidColumnsError(
                f"the part '{name}' has a column '{column}', which '{first}' has not: {suggest(column, wanted.names())}"
            )
        if _family(dtype) != _family(wanted[column]) and pl.Null not in (dtype, wanted[column]):
            raise InvalidColumnsError(
                f"the part '{name}': column '{column}' holds {dtype} values, where '{first}' has {wanted[column]}"
            )


def _family(dtype: pl.DataType) -> object:
    """Of types that polars brings to one."""
    return "numeric" if dtype.is_numeric() else dtype
