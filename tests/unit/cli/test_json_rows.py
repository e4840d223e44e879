"""predict: JSON rows on the command line and in files, and messages that name the place of an error."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from pipeline.contracts.signature import Column, Signature
from tests.unit.cli.conftest import Stage

ROOMS = Signature(
    task="classification",
    target="kind",
    columns=(
        Column(name="rooms", kind="numeric", aliases=(" rooms ",)),
        Column(name="town", kind="categorical"),
        Column(name="note", kind="categorical", is_optional=True),
    ),
    classes=("no", "yes"),
)


def _rows(stage: Stage) -> list[dict[str, Any]]:
    return [row for request in stage.requests for row in request["rows"]]


def _predict(stage: Stage, tmp_path: Path, name: str, text: str, *more: str) -> Any:
    stage.serve(signature=ROOMS)
    body = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    return stage.run("predict", "m", str(tmp_path / name), *more)


def _lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "[1, 1e400]", '{"a": NaN}'])
def test_a_number_that_json_does_not_allow_is_reported_with_row_and_column(stage: Stage, number: str) -> None:
    stage.serve(signature=ROOMS)
    result = stage.run("predict", "m", f'[{{"rooms": 1, "town": "a"}}, {{"town": "b", "rooms": {number}}}]')
    assert result.exit_code == 1
    assert "row 2, column 'rooms'" in result.stderr
    assert result.stderr.count("\n") == 1
    assert stage.requests == []


@pytest.mark.parametrize("name", ["rows.json", "rows.json.gz"])
def test_a_number_beyond_float64_in_a_document_is_an_error(stage: Stage, tmp_path: Path, name: str) -> None:
    result = _predict(stage, tmp_path, name, '[{"rooms": 1, "town": "a"}, {"rooms": 1e400, "town": "b"}]')
    assert result.exit_code == 1
    assert f"'{name}', row 2, column 'rooms'" in result.stderr


def test_a_number_beyond_float64_in_json_lines_is_reported_and_missing(stage: Stage, tmp_path: Path) -> None:
    text = '{"rooms": 1, "town": "a"}\n{"rooms": 1e400, "town": "b"}\n{"rooms": 2, "town": "b"}\n'
    result = _predict(stage, tmp_path, "rows.jsonl", text)
    assert result.exit_code == 0
    assert "column 'rooms': 1 number is beyond float64" in result.stderr
    assert "row 2" in result.stderr
    assert [row["rooms"] for row in _rows(stage)] == [1, None, 2]


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_nan_in_a_file_is_a_missing_value_as_in_training(stage: Stage, tmp_path: Path, name: str) -> None:
    text = '{"rooms": NaN, "town": "a"}\n'
    assert _predict(stage, tmp_path, name, text).exit_code == 0
    assert _rows(stage)[0]["rooms"] is None


@pytest.mark.parametrize("cell", ['"\\ud800"', '["a", "\\udfff"]', '"x\\ud83d"'])
def test_half_of_a_surrogate_pair_is_reported_with_row_and_column(stage: Stage, tmp_path: Path, cell: str) -> None:
    row = f'{{"rooms": 1, "town": {cell}}}'
    stage.serve(signature=ROOMS)
    assert "row 1, column 'town'" in stage.run("predict", "m", row).stderr
    (tmp_path / "rows.json").write_text(row)
    assert "'rows.json', row 1, column 'town'" in stage.run("predict", "m", str(tmp_path / "rows.json")).stderr
    assert "row 1: the name" in stage.run("predict", "m", '{"\\ud800": 1}').stderr


def test_a_whole_surrogate_pair_is_a_letter(stage: Stage) -> None:
    stage.serve(signature=ROOMS)
    assert stage.run("predict", "m", '{"rooms": 1, "town": "\\ud83d\\ude00"}').exit_code == 0
    assert _rows(stage)[0]["town"] == "😀"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rnd.json", "hello"),
        ("rnd.json", ""),
        ("rnd.json", '{"rooms": }'),
        ("rnd.json", '{"town": "a"}'),
        ("rnd.json", '[{"rooms": 1, "town": "a"}, {"town": "a"}]'),
        ("rnd.json", '{"rows": []}'),
        ("rnd.json", '[{"rooms": 1, "rooms ": 2, "town": "a"}]'),
        ("rnd.json.gz", "hello"),
        ("rnd.jsonl", '{"town": "a"}\n'),
    ],
)
def test_messages_name_the_users_file(stage: Stage, tmp_path: Path, name: str, text: str) -> None:
    result = _predict(stage, tmp_path, name, text)
    assert result.exit_code == 1
    assert f"'{name}'" in result.stderr


@pytest.mark.parametrize("text", ["hello", "", '{"town": "a"}'])
def test_messages_name_stdin(stage: Stage, text: str) -> None:
    stage.serve(signature=ROOMS)
    result = stage.run("predict", "m", "-", stdin=text)
    assert result.exit_code == 1
    assert "'stdin'" in result.stderr


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.json", "rows.csv"])
def test_a_row_without_a_required_column_is_refused(stage: Stage, tmp_path: Path, name: str) -> None:
    rows = [{"rooms": 1, "town": "a"}, {"town": "b"}, {"rooms": 3, "town": "c"}, {"town": "d"}]
    result = _predict(stage, tmp_path, name, _lines(*rows))
    assert result.exit_code == 1
    assert "row 2 lacks 'rooms' (absent in 2 of 4 rows)" in result.stderr
    assert stage.requests == []


def test_rows_beyond_the_requested_number_may_lack_a_column(stage: Stage, tmp_path: Path) -> None:
    rows = [{"rooms": 1, "town": "a"}, {"town": "b"}]
    assert _predict(stage, tmp_path, "rows.jsonl", _lines(*rows), "--rows", "1").exit_code == 0
    assert "row 1 lacks 'rooms'" in _predict(stage, tmp_path, "r.jsonl", _lines(*rows[::-1]), "--rows", "1").stderr


def test_part_files_are_checked_only_up_to_the_requested_rows(stage: Stage, tmp_path: Path) -> None:
    rows = [{"rooms": 1, "town": "a"}, {"rooms": 2, "town": "b"}]
    (tmp_path / "part-0.jsonl").write_text(_lines(*rows))
    (tmp_path / "part-1.jsonl").write_text(_lines(rows[0], {"town": "c"}).replace("1", "1e999"))
    stage.serve(signature=ROOMS)
    assert stage.run("predict", "m", str(tmp_path), "--rows", "2").exit_code == 0
    result = stage.run("predict", "m", str(tmp_path), "--rows", "3")
    assert "'part-1.jsonl': column 'rooms': 1 number is beyond float64" in result.stderr
    assert "'part-1.jsonl', row 2 lacks 'rooms'" in stage.run("predict", "m", str(tmp_path)).stderr


def test_an_optional_column_may_be_absent_and_a_missing_value_is_null(stage: Stage, tmp_path: Path) -> None:
    rows = [{"rooms": 1, "town": "a", "note": "n"}, {"rooms": None, "town": "b"}]
    assert _predict(stage, tmp_path, "rows.jsonl", _lines(*rows)).exit_code == 0
    assert _rows(stage)[1] == {"rooms": None, "town": "b", "note": None}


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_a_column_in_two_spellings_across_rows_is_one_column(stage: Stage, tmp_path: Path, name: str) -> None:
    rows = [{" rooms ": 1, "town": "a", "kind": "yes"}, {"rooms": 2, "town ": "b", " kind": "yes"}]
    result = _predict(stage, tmp_path, name, _lines(*rows))
    assert result.exit_code == 0, result.stderr
    assert [(row["rooms"], row["town"]) for row in _rows(stage)] == [(1, "a"), (2, "b")]
    assert "2 of 2 rows" in result.stderr


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.ndjson"])
def test_a_row_with_the_same_column_twice_is_an_error(stage: Stage, tmp_path: Path, name: str) -> None:
    rows = [{"rooms": 1, "town": "a"}, {"rooms": 1, " rooms": 2, "town": "a"}]
    result = _predict(stage, tmp_path, name, _lines(*rows))
    assert result.exit_code == 1
    assert "row 2 has 'rooms' twice" in result.stderr


def test_a_folder_without_data_says_so(stage: Stage, tmp_path: Path) -> None:
    stage.serve(signature=ROOMS)
    (tmp_path / "empty").mkdir()
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "passwd").write_text("root")
    for folder in ("empty", "others"):
        result = stage.run("predict", "m", str(tmp_path / folder))
        words = " ".join(result.stderr.replace("│", " ").split())
        assert result.exit_code == 2
        assert "no data file" in words
        assert "parquet" in words
        assert "images" not in words


def test_a_zip_is_not_reported_as_images(stage: Stage, tmp_path: Path) -> None:
    result = _predict(stage, tmp_path, "rows.zip", "PK")
    assert result.exit_code == 1
    assert "is a zip" in result.stderr


def _classes(*classes: str) -> Signature:
    return Signature(
        task="classification", target="kind", columns=(Column(name="rooms", kind="numeric"),), classes=classes
    )


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (("1.0", "2.0"), [1, 2.0]),
        (("1", "2"), [1.0, "2.0"]),
        (("False", "True"), [False, True]),
        (("false", "true"), ["False", "TRUE"]),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet", "inline"])
def test_labels_of_typed_files_match_the_classes_of_the_same_value(
    stage: Stage, tmp_path: Path, classes: tuple[str, ...], labels: list[Any], kind: str
) -> None:
    stage.serve(signature=_classes(*classes))
    predictions = [{"label": label, "probabilities": {}} for label in classes]
    stage.answer = lambda body: httpx.Response(200, json={"model": "m", "version": 1, "predictions": predictions})
    rows = [{"rooms": 1, "kind": label} for label in labels]
    path = tmp_path / f"rows.{kind}"
    if kind == "parquet":
        texts = labels if len({type(label) for label in labels}) == 1 else [str(label) for label in labels]
        pl.DataFrame({"rooms": [1, 1], "kind": texts}).write_parquet(path)
    else:
        path.write_text(json.dumps(rows) if kind != "jsonl" else _lines(*rows))
    result = stage.run("predict", "m", json.dumps(rows) if kind == "inline" else str(path))
    assert result.exit_code == 0, result.stderr
    assert "2 of 2 rows" in result.stderr


def test_labels_that_differ_in_case_are_different_classes(stage: Stage, tmp_path: Path) -> None:
    result = _predict(stage, tmp_path, "rows.jsonl", _lines({"rooms": 1, "town": "a", "kind": "YES"}))
    assert "0 of 1 rows" in result.stderr
