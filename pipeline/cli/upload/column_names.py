"""Check column names in the first rows of data that is too large to read before the upload."""

from __future__ import annotations

import gzip
import tempfile
from contextlib import suppress
from pathlib import Path

from pipeline.contracts.errors import ModeldropError
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.validation.columns.spec_columns import check_columns, resolve_columns
from pipeline.validation.columns.target import target_name
from pipeline.validation.known_rows import first_options
from pipeline.validation.readers.batches import TableRows, open_rows
from pipeline.validation.readers.formats import find_format
from pipeline.validation.readers.source import Source
from pipeline.validation.rejected_rows import RejectedRows

__all__ = ["check_names"]

_HEAD_BYTES = 256 << 10
_HEAD_ROWS = 100


def check_names(file: Path, spec: JobSpec) -> bool:
    """Check that the columns of a spec exist.

    Args:
        file: The data file, or the first of the part files.
        spec: Settings, with the target that was named.

    Returns:
        Whether the first rows could be read for the columns' names.

    Raises:
        InvalidTargetError: There is no such target.
        InvalidJobSpecError: Another named column does not exist.
    """
    with tempfile.TemporaryDirectory(prefix="modeldrop-") as scratch:
        rows: TableRows | None = None
        with suppress(ModeldropError, OSError, EOFError):  # the run reports errors in the data
            rows = _read_head(file, spec, Path(scratch))
        if rows is None:
            return False
        resolved = resolve_columns(spec, rows.names)
        name = "" if resolved.targets else target_name(rows.sample.columns, resolved, rows.names.unnamed)
        check_columns(resolved, rows.sample.columns, resolved.targets or (name,))
        return True


def _read_head(file: Path, spec: JobSpec, scratch: Path) -> TableRows | None:
    head = _cut_head(file, scratch)
    if head is None:
        return None
    (scratch / "work").mkdir()
    source = Source.of_file(file.name, head, find_format(head.name))
    rejected = RejectedRows(scratch / "rejected.jsonl")
    return open_rows(source, scratch / "work", first_options(spec), rejected)


def _cut_head(file: Path, scratch: Path) -> Path | None:
    """Write the first rows as a file of the same format; None for formats that cannot be cut."""
    form = find_format(file.name)
    if form.kind == "parquet":
        import polars as pl

        head = scratch / "head.parquet"
        pl.scan_parquet(file).head(_HEAD_ROWS).collect().write_parquet(head)
        return head
    if form.kind not in ("delimited", "json_lines"):
        return None
    with gzip.open(file) if form.gzipped else file.open("rb") as opened:
        text = opened.read(_HEAD_BYTES)
    head = scratch / file.name.lower().removesuffix(".gz")
    head.write_bytes(text[: text.rfind(b"\n") + 1] or text)
    return head
