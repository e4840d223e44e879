"""Keys of JSON lines that only some rows have, and cells that are arrays or objects."""

from __future__ import annotations

import json
from concurrent.futures import Future

import pytest

from pipeline.contracts.signature import Column, Signature
from pipeline.validation.known_rows import read_known_rows
from pipeline.validation.readers.batches import open_rows
from pipeline.validation.readers.formats import find_format
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.source import File, Source
from pipeline.validation.readers.text.json_lines import KeyOrder, read_json_lines
from pipeline.validation.rejected_rows import RejectedRows


@pytest.mark.parametrize(
    ("rows", "order"),
    [
        (["ay", "acy"], "acy"),
        (["acy", "ay"], "acy"),
        (["by", "aby", "abcy"], "abcy"),
        (["ay", "ay", "ayv"], "avy"),  # a field that is added to later events is not the target
        (["abcy", "abc", "abcy"], "abcy"),
        (["", "ab"], "ab"),
    ],
)
def test_new_keys_follow_their_predecessor_and_the_usual_last_key_stays_last(rows, order):
    keys = KeyOrder()
    for row in rows:
        keys.add(tuple(row))
    assert "".join(keys.keys) == order


def _rows(number):
    row = {"a": number / 7, "c": number % 5, "y": ["no", "yes"][number * 7 % 3 % 2]}
    return row if number % 3 else {key: value for key, value in row.items() if key != "c"}


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("files", [1, 2])
def test_a_key_that_the_first_row_lacks_is_not_the_target(tmp_path, is_large, files):
    lines = [json.dumps(_rows(number)) for number in range(200)]
    parts = [lines] if files == 1 else [lines[:1], lines[1:]]
    uploads = []
    for number, part_lines in enumerate(parts):
        path = tmp_path / f"part-{number}"
        path.write_text("\n".join(part_lines) + "\n")
        uploads.append(File(name=f"{number}.jsonl", path=path, form=find_format("a.jsonl")))
    source = Source(name="a", files=tuple(uploads), digest=Future())
    rejected = RejectedRows(tmp_path / "aside")
    rows = open_rows(source, tmp_path, ReadOptions(), rejected, is_large=is_large, max_bytes=1 << 30, block_bytes=2_000)
    assert rows.sample.columns == ["a", "c", "y"]
    assert rows.sample["y"].null_count() == 0


def test_the_target_is_the_last_key_of_most_rows(drop):
    rows = [_rows(number) | ({"vip": True} if number > 200 else {}) for number in range(300)]
    assert drop("a.jsonl", "\n".join(map(json.dumps, rows))).dataset.target == "y"


@pytest.mark.parametrize("cell", [[1], {"value": 1}])
def test_arrays_and_objects_in_a_later_file_are_read_as_missing_and_reported(tmp_path, cell):
    (tmp_path / "later.jsonl").write_text(json.dumps({"a": cell, "b": 1}) + "\n" + json.dumps({"a": 2, "b": 3}) + "\n")
    columns = (Column(name="a", kind="numeric"), Column(name="b", kind="numeric"))
    signature = Signature(task="regression", target="y", columns=columns)
    known_rows = read_known_rows("later.jsonl", tmp_path / "later.jsonl", signature, tmp_path)
    assert known_rows.frame.rows() == [(None, 1.0), (2.0, 3.0)]
    assert any("'a': 1 cell that hold arrays" in warning for warning in known_rows.warnings)


def test_an_array_column_that_the_model_does_not_read_is_not_reported(tmp_path):
    rejected = RejectedRows(tmp_path / "aside")
    frame = read_json_lines(b'{"a": 1, "tags": ["x"]}\n{"a": 2, "tags": []}\n', rejected, names=["a"])
    assert frame["a"].to_list() == ["1", "2"]
    assert rejected.warnings == ()
