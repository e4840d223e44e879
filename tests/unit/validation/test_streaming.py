"""Large data is read in batches and gives the same data set as small data read at once."""

from __future__ import annotations

import gzip
import random
from concurrent.futures import Future

import polars as pl
import pytest

from pipeline.contracts.errors import (
    InputError,
    InvalidColumnsError,
    MalformedRowsError,
    UnreadableDatasetError,
)
from pipeline.contracts.records.dataset import GROUP, TIME
from pipeline.contracts.spec.job_spec import JobSpec, Split
from pipeline.validation.companions.test_file import CompanionTest
from pipeline.validation.prepare import prepare
from pipeline.validation.readers.batches import open_rows
from pipeline.validation.readers.formats import find_format
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.source import File, Source, is_large
from pipeline.validation.rejected_rows import RejectedRows
from pipeline.validation.splitting.assignment import SPLITS
from pipeline.validation.statistics import SKETCH_HASHES, ColumnStatistics, select_smallest_hashes

ROWS = 3_000
BLOCK = 8_000  # bytes, so that a file has some twenty blocks


@pytest.fixture
def rows():
    chance = random.Random(0)
    return [
        {
            "size": round(chance.gauss(0, 1), 4),
            "count": chance.randrange(1000),
            "colour": chance.choice(["red", "green", "blue", ""]),
            "paid": chance.choice(["yes", "no"]),
            "day": f"2024-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}",
            "row": number,
            "shop": f"s{chance.randrange(60)}",
            "sold": chance.choice(["a", "a", "b"]),
        }
        for number in range(ROWS)
    ]


def csv(rows, delimiter=","):
    lines = [delimiter.join(rows[0]), *(delimiter.join(str(value) for value in row.values()) for row in rows)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def source(tmp_path):
    def source(**files):
        parts = []
        for number, (name, body) in enumerate(files.items()):
            path = tmp_path / f"part-{number}"
            path.write_bytes(body.encode() if isinstance(body, str) else body)
            parts.append(File(name=name, path=path, form=find_format(name)))
        digest = Future()
        digest.set_result("0" * 64)
        return Source(name=parts[0].name, files=tuple(parts), digest=digest)

    return source


def opened(upload, workdir, rejected, *, is_large=True):
    return open_rows(
        upload, workdir, ReadOptions(), rejected, is_large=is_large, max_bytes=1 << 30, block_bytes=BLOCK
    )  # fmt: skip


@pytest.fixture
def stream(tmp_path):
    def stream(upload, spec=None, test=None, is_large=True, hidden=False):
        workdir = tmp_path / f"work-{len(list(tmp_path.iterdir()))}"
        workdir.mkdir()
        rejected = RejectedRows(workdir / "rejected.jsonl")
        rows = opened(upload, workdir, rejected, is_large=is_large)
        prepared = prepare(rows, spec or JobSpec(), rejected, workdir, sha256="0", test=test)
        dropped = () if hidden else (GROUP, TIME)
        return prepared.dataset, {
            split: frame.drop(dropped, strict=False) for split, frame in prepared.read_splits().items()
        }

    return stream


def test_streaming_gives_the_same_data_set_as_reading_at_once(source, stream, rows):
    upload = source(**{"a.csv": csv(rows)})
    dataset, splits = stream(upload)
    at_once_dataset, at_once_splits = stream(upload, is_large=False)
    assert [(column.name, column.kind) for column in dataset.columns] == [
        (column.name, column.kind) for column in at_once_dataset.columns
    ]
    assert dataset.left_out == at_once_dataset.left_out
    assert (dataset.task, dataset.target, dataset.classes) == ("classification", "sold", ("a", "b"))
    order = ["size", "count", "day"]
    streamed, at_once_rows = (pl.concat(parts.values()).sort(order) for parts in (splits, at_once_splits))
    assert streamed.equals(at_once_rows.select(streamed.columns))
    assert dataset.rows.model_dump() == {split: splits[split].height for split in SPLITS}
    assert dataset.rows.test == pytest.approx(ROWS / 10, rel=0.25)
    assert sum(dataset.class_rows) == dataset.rows.train


def test_statistics_come_from_the_training_rows(source, stream, rows):
    dataset, splits = stream(source(**{"a.csv": csv(rows)}))
    size, count, colour, *_ = dataset.columns
    train = splits["train"]
    assert size.mean == pytest.approx(train["size"].mean(), abs=1e-6)
    assert size.std == pytest.approx(train["size"].std(), rel=1e-6)
    assert (count.minimum, count.maximum) == (train["count"].min(), train["count"].max())
    assert count.distinct == pytest.approx(train["count"].n_unique(), rel=0.03)
    assert colour.missing == train["colour"].null_count()
    counts = train["colour"].drop_nulls().value_counts(sort=True)
    assert colour.vocabulary == tuple(counts["colour"])


def test_a_table_without_features_is_refused_with_the_reasons(source, stream, rows):
    lines = [{"row": row["row"], "sold": row["sold"]} for row in rows]
    with pytest.raises(InvalidColumnsError, match=r"no column can be used to predict 'sold' \('row': a row number"):
        stream(source(**{"a.csv": csv(lines)}))


def test_hashes_are_filtered_only_once_the_sketch_is_full():
    assert "filter" not in str(select_smallest_hashes("a", ColumnStatistics().reach))
    full = ColumnStatistics(hashes=pl.Series(range(SKETCH_HASHES), dtype=pl.UInt64))
    assert "filter" in str(select_smallest_hashes("a", full.reach))


def test_the_seed_decides_the_splits(source, stream, rows):
    upload = source(**{"a.csv": csv(rows)})
    first, again, other = (stream(upload, JobSpec(seed=seed))[1]["test"] for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


def test_copies_of_a_row_are_in_one_split(source, stream, rows):
    copied = [{**row, "row": 0} for row in rows] + [{**row, "row": 0} for row in rows[:500]]
    _, splits = stream(source(**{"a.csv": csv(copied)}), JobSpec(drop=("row",)))
    rows_with_split = pl.concat(
        rows_of_split.with_columns(split=pl.lit(split)) for split, rows_of_split in splits.items()
    )
    assert rows_with_split.group_by(pl.exclude("split")).agg(pl.col("split").n_unique())["split"].max() == 1


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tsv", "a.parquet", "a.jsonl"])
def test_every_format_is_streamed(source, stream, rows, name, tmp_path):
    if name.endswith("gz"):
        body = gzip.compress(csv(rows).encode())
    elif name.endswith("tsv"):
        body = csv(rows, "\t").encode()
    else:
        write = "write_parquet" if name.endswith("parquet") else "write_ndjson"
        getattr(pl.DataFrame(rows), write)(tmp_path / "body")
        body = (tmp_path / "body").read_bytes()
    dataset, splits = stream(source(**{name: body}))
    assert {column.name: column.kind for column in dataset.columns} == {
        "size": "numeric", "count": "numeric", "colour": "categorical", "paid": "boolean", "day": "datetime",
        "shop": "categorical",
    }  # fmt: skip
    assert sum(rows_of_split.height for rows_of_split in splits.values()) == ROWS


def test_part_files_are_one_stream_and_must_have_the_same_columns(source, stream, rows):
    halves = csv(rows[:1500]), csv(rows[1500:])
    dataset, _ = stream(source(**{"0.csv": halves[0], "1.csv": halves[1]}))
    assert sum(dataset.rows.model_dump().values()) == ROWS
    with pytest.raises(InvalidColumnsError, match=r"the part '1.csv' has no column 'size'"):
        stream(source(**{"0.csv": halves[0], "1.csv": halves[1].replace("size", "sise")}))


@pytest.mark.parametrize("empty", [b"", b"\n", b"\xef\xbb\xbf\n", b"a,b\n", b"a,b", b"a,b\n\n", b"\xef\xbb\xbfa,b\r\n"])
@pytest.mark.parametrize("first", [True, False])
def test_a_part_that_is_empty_or_has_only_a_header_adds_no_rows(source, tmp_path, empty, first):
    bodies = [empty, b"a,b\n1,2\n3,4\n", gzip.compress(empty)]
    names = ["0.csv", "1.csv", "2.csv.gz"] if first else ["1.csv", "0.csv", "2.csv.gz"]
    rows = opened(source(**dict(sorted(zip(names, bodies, strict=True)))), tmp_path, RejectedRows(tmp_path / "aside"))
    assert rows.sample.rows() == [("1", "2"), ("3", "4")]
    read = [batch.read((), RejectedRows(tmp_path / "aside")).rows() for batch in rows.batches()]
    assert [row for some in read for row in some] == [("1", "2"), ("3", "4")]


def test_a_part_of_json_lines_may_be_empty_but_not_all_parts(source, tmp_path):
    (other := tmp_path / "other").mkdir()
    with pytest.raises(UnreadableDatasetError, match=r"'0.jsonl' is empty"):
        opened(source(**{"0.jsonl": b"", "1.jsonl": b"\n"}), other, RejectedRows(other / "aside"))
    rows = opened(
        source(**{"0.jsonl": b"", "1.jsonl": b'{"a": 1, "b": 2}\n'}), tmp_path, RejectedRows(tmp_path / "aside")
    )
    assert rows.sample.rows() == [("1", "2")]


def test_a_quoted_cell_over_several_blocks_stays_one_cell(source, tmp_path):
    """Otherwise the lines at the head of the second block would be read as rows."""
    filler = "\n".join(f"{number},{number}" for number in range(200))
    cell = "\n".join(f"line {number},of a poem" for number in range(1_000))
    body = f'a,b\n{filler}\n0,"{cell}"\n{filler}\n'
    rows = opened(source(**{"a.csv": body}), tmp_path, RejectedRows(tmp_path / "aside"))
    assert all(row[0].isdecimal() for row in rows.sample.rows())


def test_quoted_newlines_and_commas_stay_in_their_cell(source, stream, rows):
    quoted = [{**row, "colour": f'"{row["colour"]},\n""new"""'} for row in rows]
    dataset, _ = stream(source(**{"a.csv": csv(quoted)}))
    assert sum(dataset.rows.model_dump().values()) == ROWS
    assert dataset.set_aside == 0
    assert 'red,\n"new"' in next(column for column in dataset.columns if column.name == "colour").vocabulary


def test_broken_rows_are_rejected_with_their_line_numbers(source, stream, rows):
    lines = csv(rows).splitlines()
    lines[2_000] += ",1,2"
    dataset, _ = stream(source(**{"a.csv": "\n".join(lines)}))
    assert dataset.set_aside == 1
    assert "line 2,001 has 10 fields" in " ".join(dataset.warnings)
    ragged = [line + ",1" if number % 9 == 8 else line for number, line in enumerate(lines)]
    with pytest.raises(MalformedRowsError, match=r"cannot be read.*: line 9 has 9 fields"):
        stream(source(**{"a.csv": "\n".join(ragged)}))


def test_a_line_in_another_encoding_is_repaired_and_reported_with_its_number(source, stream, rows):
    body = csv([{**row, "colour": "grün"} if number % 9 else row for number, row in enumerate(rows)]).encode()
    offset = body.index(b"\n", 60_000) + 1
    dataset, _ = stream(source(**{"a.csv": body[:offset] + b"\xff" + body[offset:]}))
    assert f"line {body[:offset].count(10) + 1:,} is not UTF-8" in " ".join(dataset.warnings)


def test_words_for_a_missing_number_are_missing_anywhere_in_the_file(source, stream, rows):
    late = [{**row, "size": "n/a" if 2_900 < number < 2_910 else row["size"]} for number, row in enumerate(rows)]
    dataset, _ = stream(source(**{"a.csv": csv(late)}))
    assert dataset.columns[0].kind == "numeric"
    assert dataset.columns[0].missing > 0


def test_a_column_with_words_outside_the_sample_is_read_as_categorical(source, stream, rows):
    """The sample is the first rows of each block; here only other rows hold words."""
    misled = [{**row, "size": "big" if number % 97 > 80 else row["size"]} for number, row in enumerate(rows)]
    body = csv(misled)
    dataset, splits = stream(source(**{"a.csv": body}))
    assert dataset.columns[0].kind == "categorical"
    assert (pl.concat(splits.values())["size"] == "big").sum() == sum(row["size"] == "big" for row in misled)


def test_splits_by_time_and_by_group_work_in_a_stream(source, stream, rows):
    upload = source(**{"a.csv": csv(rows)})
    _, splits = stream(upload, JobSpec(split=Split(by="time", column="day")))
    assert splits["train"]["day"].max() < splits["validation"]["day"].min()
    assert splits["validation"]["day"].max() < splits["test"]["day"].min()
    dataset, _ = stream(upload, JobSpec(split=Split(by="group", column="shop")))
    assert dataset.left_out[0].name == "shop"


@pytest.mark.parametrize("is_large", [True, False])
def test_the_split_files_store_the_group_and_the_time_of_each_row(source, stream, rows, is_large):
    upload = source(**{"a.csv": csv([*rows, *({**row} for row in rows[:500])])})
    _, splits = stream(upload, is_large=is_large, hidden=True)
    assert GROUP not in splits["test"].columns
    learning = pl.concat([splits["train"], splits["validation"]])
    columns = [name for name in learning.columns if name != GROUP]
    assert learning.schema[GROUP] == pl.UInt64
    assert learning[GROUP].n_unique() == learning.select(columns).unique().height
    assert learning.group_by(columns).agg(pl.col(GROUP).n_unique())[GROUP].max() == 1

    _, splits = stream(upload, JobSpec(split=Split(by="time", column="day")), is_large=is_large, hidden=True)
    learning = pl.concat([splits["train"], splits["validation"]])
    assert learning.sort("day", TIME)[TIME].is_sorted()
    assert learning[TIME].n_unique() == learning["day"].n_unique() == learning[GROUP].n_unique()

    _, splits = stream(upload, JobSpec(split=Split(by="group", column="shop")), is_large=is_large, hidden=True)
    assert TIME not in splits["train"].columns
    assert 20 < pl.concat([splits["train"], splits["validation"]])[GROUP].n_unique() < 60


def test_rows_without_a_target_or_of_a_rare_class_are_counted(source, stream, rows):
    rows[10]["sold"] = rows[1_000]["sold"] = ""
    rows[2_000]["sold"] = "rare"
    dataset, splits = stream(source(**{"a.csv": csv(rows)}))
    assert dataset.set_aside == 3
    assert dataset.classes == ("a", "b")
    assert sum(rows_of_split.height for rows_of_split in splits.values()) == ROWS - 3


def test_regression_weights_and_clustering(source, stream, rows):
    upload = source(**{"a.csv": csv(rows)})
    dataset, splits = stream(upload, JobSpec(target="size", weight="count"))
    assert (dataset.task, dataset.weight, splits["train"]["size"].dtype) == ("regression", "count", pl.Float64)
    assert dataset.set_aside == sum(row["count"] == 0 for row in rows)
    dataset, splits = stream(upload, JobSpec(task="clustering"))
    assert (dataset.target, dataset.classes) == ("", ())
    assert "" not in splits["train"].columns


def test_a_test_file_becomes_the_test_split(source, stream, rows, tmp_path):
    (folder := tmp_path / "test").mkdir()
    rejected = RejectedRows(folder / "rejected.jsonl", file="test.csv")
    test_rows = opened(source(**{"test.csv": csv(rows[:200])}), folder, rejected, is_large=False)
    test = CompanionTest(name="test.csv", rows=test_rows, rejected=rejected)
    dataset, splits = stream(source(**{"a.csv": csv(rows)}), test=test)
    assert (dataset.rows.test, splits["test"].height) == (200, 200)
    assert dataset.rows.train + dataset.rows.validation == ROWS


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (JobSpec(target="sould"), "did you mean 'sold'"),
        (JobSpec(drop=("nothing",)), "there is no column 'nothing'"),
        (JobSpec(task="regression"), "does not hold numbers"),
    ],
)
def test_an_invalid_spec_is_refused_in_a_stream_too(source, stream, rows, spec, words):
    with pytest.raises(InputError, match=words):
        stream(source(**{"a.csv": csv(rows)}), spec)


def test_a_file_is_large_by_its_unpacked_size(source):
    assert not is_large(source(**{"a.csv": "a,b\n1,2\n"}))
    assert is_large(source(**{"a.csv.gz": gzip.compress(b"a,b\n" + b"1,2\n" * (13 << 20), compresslevel=1)}))


@pytest.mark.parametrize("is_large", [True, False])
def test_several_targets_are_read_in_batches(rows, source, stream, is_large):
    for row in rows:
        row["tags"] = (
            "|".join(name for name, has in (("low", row["size"] < 0), ("many", row["count"] > 400)) if has) or "no"
        )
    files = source(**{"a.csv": csv(rows)})
    numbers, _ = stream(files, JobSpec(targets=("size", "count")), is_large=is_large)
    assert (numbers.task, numbers.targets) == ("regression", ("size", "count"))
    dataset, splits = stream(files, is_large=is_large)
    assert dataset.classes == ("low", "many", "no")
    for column, count in zip(dataset.targets, dataset.class_rows, strict=True):
        assert count == int((splits["train"][column] == "yes").sum())
        assert set(splits["train"][column]) == {"no", "yes"}
    assert splits["train"].columns[-3:] == list(dataset.targets)
    low = sum(int((frame["tags: low"] == "yes").sum()) for frame in splits.values())
    assert low == sum(row["size"] < 0 for row in rows)
