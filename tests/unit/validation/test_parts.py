"""A set of part files is one data set."""

from __future__ import annotations

import gzip
import io

import polars as pl
import pytest

from pipeline.contracts.errors import InvalidColumnsError, MalformedRowsError, UnreadableDatasetError
from pipeline.validation.quarantine import quarantine
from tests.unit.validation.conftest import KEYS, RUN

HEADER = "size,colour,sold\n"


def parquet(text, **columns):
    file = io.BytesIO()
    pl.read_csv(text.encode()).with_columns(**columns).write_parquet(file)
    return file.getvalue()


@pytest.fixture
def halves(lines):
    return HEADER + "\n".join(lines[1:151]) + "\n", HEADER + "\n".join(lines[151:]) + "\n"


def test_part_files_give_the_same_data_set_as_one_file(drop, drop_parts, good, halves):
    one_file = drop("a.csv", good)
    parts = drop_parts({"part-0.csv": halves[0], "part-1.csv.gz": gzip.compress(halves[1].encode())})
    assert parts.split("train").equals(one_file.split("train"))
    assert parts.dataset.columns == one_file.dataset.columns
    assert parts.dataset.sha256 != one_file.dataset.sha256


def test_parquet_parts_may_differ_in_float_width_and_column_order(drop_parts, halves):
    second = pl.read_parquet(parquet(halves[1], size=pl.col("size").cast(pl.Float32))).select("sold", "size", "colour")
    file = io.BytesIO()
    second.write_parquet(file)
    validated = drop_parts({"0.parquet": parquet(halves[0]), "1.parquet": file.getvalue()})
    assert sum(validated.dataset.rows.model_dump().values()) == 300


def test_an_empty_part_file_is_ignored_unless_all_parts_are_empty(drop_parts, halves):
    validated = drop_parts({"0.csv": halves[0], "1.csv": HEADER, "2.csv": "", "3.csv": halves[1]})
    assert sum(validated.dataset.rows.model_dump().values()) == 300
    with pytest.raises(UnreadableDatasetError, match=r"is empty"):
        drop_parts({"0.csv": ""})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("colour", "color"), r"the part '1.csv' has no column 'colour', .* mean 'color'"),
        (lambda text: text.replace("\n", ",0\n").replace("sold,0", "sold,new"), r"'1.csv' has a column 'new'"),
    ],
)
def test_a_part_with_other_columns_is_refused_with_its_name(drop_parts, halves, change, words):
    with pytest.raises(InvalidColumnsError, match=words):
        drop_parts({"0.csv": halves[0], "1.csv": change(halves[1])})


def test_a_part_with_another_type_is_refused_with_its_name(drop_parts, halves):
    text_sizes = parquet(halves[1], size=pl.col("colour"))
    with pytest.raises(InvalidColumnsError, match=r"the part '1.parquet': column 'size' holds String values"):
        drop_parts({"0.parquet": parquet(halves[0]), "1.parquet": text_sizes})


def test_parts_of_two_formats_and_a_folder_without_parts_are_refused(drop_parts, halves):
    with pytest.raises(UnreadableDatasetError, match="parts of one format"):
        drop_parts({"0.csv": halves[0], "1.parquet": parquet(halves[1])})
    with pytest.raises(UnreadableDatasetError, match=r"'big/' has no part files with its _SUCCESS"):
        drop_parts({})


def test_broken_rows_are_reported_with_the_name_of_their_part(drop_parts, halves):
    validated = drop_parts({"0.csv": halves[0], "1.csv": halves[1] + "1,2\n"})
    assert validated.dataset.set_aside == 1
    assert "'1.csv' line 152 has 2 fields" in validated.dataset.warnings[0]
    with pytest.raises(MalformedRowsError, match=r"'1.csv': 9 of"):
        drop_parts({"0.csv": halves[0], "1.csv": halves[1] + "1,2\n" * 9})


def test_companion_files_in_the_part_folder_override_those_of_the_model(drop_parts, halves):
    validated = drop_parts(
        {"0.csv": halves[0], "1.csv": halves[1]},
        companions={"train.yaml": "seed: 1", "big/train.yaml": "seed: 2", "test.csv": halves[0]},
    )
    assert validated.spec.seed == 2
    assert validated.dataset.rows.test == 150


def test_all_parts_of_a_refused_data_set_are_quarantined(drop_parts, halves, stores, uploaded):
    with pytest.raises(InvalidColumnsError) as refused:
        drop_parts({"0.csv": halves[0], "1.csv": halves[1].replace("size", "sise")})
    uploads, artifacts = stores
    quarantine(RUN, uploaded[-1], refused.value, uploads=uploads, artifacts=artifacts)
    quarantined = set(artifacts.keys(KEYS.quarantine("")))
    assert quarantined >= {KEYS.quarantine(f"big/{name}") for name in ("0.csv", "1.csv", "_SUCCESS")}
