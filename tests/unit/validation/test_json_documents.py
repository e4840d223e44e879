"""JSON documents are read like JSON lines under any file ending; other shapes are refused."""

from __future__ import annotations

import gzip
import json
import math
import random
from concurrent.futures import Future

import pytest

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.contracts.signature import Column, Signature
from pipeline.validation.known_rows import read_known_rows
from pipeline.validation.readers.batches import open_rows
from pipeline.validation.readers.formats import find_format
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.source import File, Source
from pipeline.validation.readers.text import json_documents
from pipeline.validation.rejected_rows import RejectedRows

RNG = random.Random(4)
ROWS = [
    {"size": math.nan if n == 3 else RNG.random() * 9, "text": f'é, "{n}"', "y": RNG.choice(["no", "yes"])}
    for n in range(60)
]
LINES = [json.dumps(row) for row in ROWS]
SHAPES = {
    "an array": json.dumps(ROWS),
    "an array over several lines": json.dumps(ROWS, indent=2),
    "an array with a row a line": "[\n" + ",\n".join(LINES) + "\n]\n",
    "an object with a list": json.dumps({"rows": ROWS}),
    "an object with a list of its own name": json.dumps({"page": 1, "houses": ROWS, "next": None}, indent=1),
    "an object with two lists": json.dumps({"fields": [{"name": "size"}], "data": ROWS}),
    "lines": "\n".join(LINES),
    "objects over several lines": "\n".join(json.dumps(row, indent=1) for row in ROWS),
    "columns": json.dumps({name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in ROWS[0]}),
    "lists": json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}),
    "split": json.dumps({"columns": list(ROWS[0]), "index": [1], "data": [list(row.values()) for row in ROWS]}),
}


@pytest.fixture
def read(tmp_path):
    def read(name, body, *, is_large=False):
        path = tmp_path / "upload"
        path.write_bytes(gzip.compress(body.encode()) if name.endswith("gz") else body.encode())
        source = Source(name=name, files=(File(name=name, path=path, form=find_format(name)),), digest=Future())
        rejected = RejectedRows(tmp_path / "aside")
        return open_rows(
            source, tmp_path, ReadOptions(), rejected, is_large=is_large, max_bytes=1 << 30, block_bytes=1_000
        )

    return read


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.jsonl", "a.txt"])
@pytest.mark.parametrize("shape", SHAPES)
def test_documents_are_read_like_json_lines(read, name, shape):
    sample = read(name, SHAPES[shape]).sample
    assert sample.columns == ["size", "text", "y"]
    assert sample["text"].to_list() == [row["text"] for row in ROWS]
    assert sample["y"].to_list() == [row["y"] for row in ROWS]


def test_a_large_document_is_streamed(read):
    rows = read("a.json", SHAPES["an array over several lines"], is_large=True)
    batches = [batch.read((), RejectedRows(None)) for batch in rows.batches()]
    assert len(batches) > 1
    assert sum(batch.height for batch in batches) == 60


def test_large_integers_keep_all_digits(read):
    rows = [{"id": 12345678901234567890123, "y": n} for n in range(30)]
    assert read("a.json", json.dumps(rows)).sample["id"][0] == "12345678901234567890123"


def test_a_json_document_is_read_for_training_testing_and_prediction(drop, tmp_path):
    validated = drop("a.json", SHAPES["an array"], companions={"test.json": SHAPES["an object with a list"]})
    assert validated.dataset.target == "y"
    assert validated.split("test").height == 60
    (tmp_path / "later.json").write_text(json.dumps([{"size": 1.5}, {"size": None}], indent=1))
    signature = Signature(task="regression", target="y", columns=(Column(name="size", kind="numeric"),))
    known_rows = read_known_rows("later.json", tmp_path / "later.json", signature, tmp_path)
    assert known_rows.frame["size"].to_list() == [1.5, None]


@pytest.mark.parametrize(
    "body", ["[[1, 2], [3, 4]]", "[]", '{"a": [{"x": 1}], "b": [{"x": 2}]}', '{"a": {"x": 1}, "b": [1, 2]}']
)
def test_documents_of_other_shapes_are_refused_with_the_expected_shape(read, body):
    with pytest.raises(UnreadableDatasetError, match="array of objects"):
        read("a.json", body)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv"])
def test_a_truncated_array_is_refused_with_its_line_and_column(read, name):
    with pytest.raises(UnreadableDatasetError, match=r"truncated or damaged .*line 1, column"):
        read(name, SHAPES["an array"][:400])


def test_a_document_that_is_too_large_is_refused_and_json_lines_are_suggested(read, monkeypatch):
    monkeypatch.setattr(json_documents, "_MAX_BYTES", 1_000)
    with pytest.raises(UnreadableDatasetError, match=r"\.jsonl"):
        read("a.json", SHAPES["an array"])
    assert read("a.json", SHAPES["lines"]).sample.height == 60


@pytest.mark.parametrize("header", ["[a],[b]", "{a},{b}", '"[{x",b', "[],y"])
def test_a_csv_file_that_starts_with_a_bracket_is_read_as_csv(read, header):
    sample = read("a.csv", header + "\n" + "".join(f"{n},{n % 3}x\n" for n in range(30))).sample
    assert sample.shape == (30, 2)
