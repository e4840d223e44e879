"""Where predictions go: a table on a terminal, csv in a pipe, a file of three formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from tests.unit.cli.conftest import Stage
from tests.unit.cli.terminal import run_in_terminal

ROWS = json.dumps([{"width": 1.5, "colour": "red", "kind": "yes"}, {"width": 2, "colour": "blue", "kind": "no"}])


def _values(body: dict[str, Any]) -> httpx.Response:
    prediction = {"value": 3.5, "quantiles": {"0.1": 2.0, "0.9": 5.0}}
    return httpx.Response(200, json={"model": "m", "version": 1, "predictions": [prediction] * len(body["rows"])})


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_predictions_are_written_to_a_file_by_its_ending(stage: Stage, tmp_path: Path, ending: str) -> None:
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


@pytest.mark.parametrize("name", ["p.xlsx", "p", "nowhere/p.csv"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_predicted(
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


def test_json_and_a_file_may_be_asked_for_at_once(stage: Stage, tmp_path: Path) -> None:
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
