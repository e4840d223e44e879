"""Validation of any bytes returns a Dataset or raises a DatasetError."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.contracts.errors import DatasetError
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.validation.prepare import prepare
from pipeline.validation.readers.batches import open_rows
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.source import Source
from pipeline.validation.rejected_rows import RejectedRows

_FILES = ("a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz")
_CELLS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        ["", "?", "1", "0", "001", "1.5", "-", "1e999", "inf", "true", "no", "2024-01-01", '"', ",", "\r\n"]
    ),
    st.floats().map(str),
    st.integers().map(str),
)


def _prepared(file: str, body: bytes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        path.write_bytes(body)
        rejected = RejectedRows(Path(folder) / "set_aside.jsonl")
        source = Source.of_file(file, path)
        rows = open_rows(source, Path(folder), ReadOptions(), rejected, is_large=False, max_bytes=1 << 20)
        return prepare(rows, JobSpec(), rejected, Path(folder), sha256="")


@settings(deadline=None)
@given(file=st.sampled_from(_FILES), body=st.binary(max_size=400))
@example(file="a.csv", body=b"a,b\n" + b"1,x\n2,y\n" * 40)
@example(file="a.parquet", body=b"PAR1" + b"\0" * 40 + b"PAR1")
@example(file="a.jsonl", body=b"{}\n" * 40)
def test_any_bytes_give_a_data_set_or_a_data_set_error(file, body):
    try:
        dataset = _prepared(file, body).dataset
    except DatasetError:
        return
    assert dataset.columns


def _blank(columns, rows):
    """Count the rows of empty cells, which validation skips."""
    return sum(not any(cells[row % len(cells)] for cells in columns) for row in range(rows))


@settings(deadline=None)
@given(columns=st.lists(st.lists(_CELLS, min_size=1, max_size=6), min_size=2, max_size=4), rows=st.integers(30, 60))
def test_typing_keeps_the_number_of_rows_for_any_cells(columns, rows):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([f"c{number}" for number in range(len(columns))])
    writer.writerows([cells[row % len(cells)] for cells in columns] for row in range(rows))
    try:
        dataset = _prepared("a.csv", text.getvalue().encode()).dataset
    except DatasetError:
        return
    assert sum(dataset.rows.model_dump().values()) + dataset.set_aside == rows - _blank(columns, rows)
