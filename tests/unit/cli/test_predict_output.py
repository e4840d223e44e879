"""Where predictions go: a table on a terminal, csv in a pipe, a file of three formats."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from rich.console import Console

from pipeline.cli.prediction.predict import PredictedRows
from pipeline.cli.prediction.predictions_table import predictions_table
from pipeline.contracts.signature import Column, Signature
from tests.helpers.terminal import run_in_terminal
from tests.unit.cli.conftest import Stage

ROWS = json.dumps([{"width": 1.5, "colour": "red", "kind": "yes"}, {"width": 2, "colour": "blue", "kind": "no"}])


def _values(body: dict[str, Any]) -> httpx.Response:
    prediction = {"value": 3.5, "quantiles": {"0.1": 2.0, "0.9": 5.0}}
    return httpx.Response(200, json={"model": "m", "version": 1, "predictions": [prediction] * len(body["rows"])})


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_predictions_are_written_in_the_format_of_the_file_extension(stage: Stage, tmp_path: Path, ending: str) -> None:
    stage.serve()
    path = tmp_path / f"predictions.{ending}"
    result = stage.run("predict", "m", ROWS, "-o", str(path))
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "2 predictions of m version 1" in result.stderr
    read: Any = {"csv": pl.read_csv, "parquet": pl.read_parquet, "jsonl": pl.read_ndjson}[ending]
    frame: pl.DataFrame = read(path)
    assert frame.columns == ["row", "prediction", "probability_no", "probability_yes", "truth"]
    assert frame["prediction"].to_list() == ["yes", "yes"]
    assert frame["truth"].to_list() == ["yes", "no"]
    assert frame["row"].to_list() == [1, 2]


def test_values_are_written_with_their_quantiles(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    stage.answer = _values
    stage.run("predict", "m", '{"width": 1}', "--output", str(tmp_path / "p.csv"))
    assert (tmp_path / "p.csv").read_text() == "row,prediction,quantile_0.1,quantile_0.9\n1,3.5,2.0,5.0\n"


_COLUMNS = (Column(name="width", kind="numeric"),)
_NUMBERS = Signature(task="regression", target="a, b", targets=("a", "b"), columns=_COLUMNS)
_LABELS = Signature(
    task="classification",
    target="tags",
    targets=("tags: x", "tags: y"),
    classes=("x", "y"),
    separator="|",
    columns=_COLUMNS,
)


def _targets(body: dict[str, Any]) -> httpx.Response:
    predictions = [{"value": {"a": 1.5, "b": 20.0}}] * len(body["rows"])
    return httpx.Response(200, json={"model": "m", "version": 1, "predictions": predictions})


def _tags(body: dict[str, Any]) -> httpx.Response:
    answers = [
        {"label": ["x", "y"], "probabilities": {"x": 0.9, "y": 0.6}},
        {"label": [], "probabilities": {"x": 0.1, "y": 0.2}},
    ]
    return httpx.Response(200, json={"model": "m", "version": 1, "predictions": answers[: len(body["rows"])]})


def test_each_of_several_targets_has_a_column_beside_its_truth(stage: Stage, tmp_path: Path) -> None:
    stage.serve(signature=_NUMBERS)
    stage.answer = _targets
    (tmp_path / "rows.csv").write_text("width,a,b\n1,1.5,21\n2,2.5,\n")
    result = stage.run("predict", "m", str(tmp_path / "rows.csv"), "--output", str(tmp_path / "p.csv"))
    assert result.exit_code == 0, result.stderr
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines == ["row,prediction_a,prediction_b,truth_a,truth_b", "1,1.5,20.0,1.5,21.0", "2,1.5,20.0,,"]
    assert "rmse a 0, b 1 on 1 rows" in result.stderr
    assert all(row.keys() == {"width"} for row in stage.requests[0]["rows"])


def _drawn(answers: PredictedRows) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(predictions_table(answers))
    return console.export_text()


def test_several_targets_are_shown_in_a_table() -> None:
    predictions = [{"value": {"a": 1.5, "b": 20.0}}] * 2
    output = _drawn(
        PredictedRows(model="m", signature=_NUMBERS, predictions=predictions, truths=[{"a": 1.0, "b": 20.0}, None])
    )
    assert "a (predicted)" in output
    assert "rmse a 0.5, b 0 on 1 rows" in output


@pytest.mark.parametrize("cell", ["x|y", "y;x", '["x", "y"]'])
def test_the_labels_of_a_row_are_joined_beside_the_truth(stage: Stage, tmp_path: Path, cell: str) -> None:
    stage.serve(signature=_LABELS)
    stage.answer = _tags
    quoted = cell.replace('"', '""')
    (tmp_path / "rows.csv").write_text(f'width,tags\n1,"{quoted}"\n2,y\n')
    result = stage.run("predict", "m", str(tmp_path / "rows.csv"), "--output", str(tmp_path / "p.csv"))
    assert result.exit_code == 0, result.stderr
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines == ["row,prediction,probability_x,probability_y,truth", "1,x|y,0.9,0.6,x|y", '2,"",0.1,0.2,y']
    assert "accuracy 0.5000 (1 of 2 rows have all labels right), F1 (micro) 0.8000" in result.stderr


def test_labels_are_shown_with_their_probabilities() -> None:
    predictions = [
        {"label": ["x", "y"], "probabilities": {"x": 0.9, "y": 0.6}},
        {"label": [], "probabilities": {"x": 0.1, "y": 0.2}},
    ]
    output = _drawn(PredictedRows(model="m", signature=_LABELS, predictions=predictions, truths=[["x", "y"], ["y"]]))
    assert "x 90%, y 60%" in output
    assert "none (y 20%)" in output
    assert "accuracy 0.5000" in output


@pytest.mark.parametrize("name", ["p.xlsx", "p", "nowhere/p.csv"])
def test_an_output_file_that_cannot_be_written_is_refused_before_prediction(
    stage: Stage, tmp_path: Path, name: str
) -> None:
    stage.serve()
    assert stage.run("predict", "m", ROWS, "-o", str(tmp_path / name)).exit_code == 2
    assert stage.requests == []


def test_a_pipe_gets_csv_of_all_rows_and_the_score_goes_to_stderr(stage: Stage) -> None:
    stage.serve()
    many = json.dumps([{"width": n, "colour": "red", "kind": "yes"} for n in range(50)])
    result = stage.run("predict", "m", many)
    lines = result.stdout.splitlines()
    assert lines[0] == "row,prediction,probability_no,probability_yes,truth"
    assert len(lines) == 51
    assert lines[-1] == "50,yes,0.1,0.9,yes"
    assert "accuracy 1.0000 (50 of 50 rows)" in result.stderr


def test_a_label_with_a_comma_stays_one_cell(stage: Stage) -> None:
    stage.serve()
    prediction = {"label": "a, b", "probabilities": {"a, b": 1.0}}
    stage.answer = lambda body: httpx.Response(200, json={"model": "m", "version": 1, "predictions": [prediction]})
    assert '1,"a, b",1.0' in stage.run("predict", "m", '{"width": 1}').stdout


def test_predict_prints_json_and_writes_a_file_in_one_call(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    document = stage.json("predict", "m", ROWS, "--json", "-o", str(tmp_path / "p.csv"))
    assert len(document["predictions"]) == 2
    assert (tmp_path / "p.csv").exists()


def test_a_terminal_gets_a_table() -> None:
    screen = run_in_terminal("succeeded", "predict", "houses", ROWS)
    assert screen.exit_code == 0
    assert "kind (predicted)" in screen.text
    assert "✓" in screen.text
    assert "row,prediction" not in screen.text
