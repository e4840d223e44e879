"""check reads a file as a run would, without starting a run."""

from __future__ import annotations

import gzip
import io
import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from tests.unit.cli.conftest import DOWN, Stage

KEYS = {
    "encoding", "dialect", "rows", "rejected", "columns", "target", "targets", "task", "warnings", "plan", "estimate"
}  # fmt: skip


@pytest.fixture
def down(stage: Stage) -> Stage:
    """A stage without a running stack."""
    stage.control.now = DOWN
    return stage


def _german(count: int = 60) -> str:
    random.seed(0)
    lines = ["Nr;Größe;Ort;Preis"]
    for number in range(count):
        size = random.randint(300, 1200) / 10
        price = f"{size * 10:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")
        lines.append(f"{number};{str(size).replace('.', ',')};{random.choice(['Köln', 'Görlitz'])};{price}")
    return "\n".join(lines) + "\n"


def _check(stage: Stage, *arguments: object) -> dict[str, Any]:
    result = stage.run("check", *map(str, arguments), "--json")
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_check_shows_how_a_german_export_is_read(down: Stage, tmp_path: Path) -> None:
    (tmp_path / "häuser.csv").write_bytes(_german().encode("cp1252"))
    document = _check(down, tmp_path / "häuser.csv")
    assert set(document) == KEYS
    assert (document["rows"], document["target"], document["task"]) == (60, "Preis", "regression")
    assert "1252" in document["encoding"]
    columns = {column["name"]: column for column in document["columns"]}
    assert columns["Größe"]["kind"] == columns["Preis"]["kind"] == "numeric"
    assert columns["Nr"]["dropped"]
    assert columns["Ort"]["examples"] == ["Görlitz", "Köln"] or columns["Ort"]["examples"] == ["Köln", "Görlitz"]
    assert "linear" in document["plan"]
    assert document["estimate"]["minutes"] > 0
    assert document["estimate"]["dollars"] > 0


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "jsonl", "txt"])
def test_check_reads_every_format_that_a_run_reads(down: Stage, tmp_path: Path, kind: str) -> None:
    frame = pl.DataFrame({"a": [i / 7 for i in range(60)], "y": ["yes", "no", "no"] * 20})
    file = tmp_path / f"data.{kind}"
    match kind:
        case "csv.gz":
            file.write_bytes(gzip.compress(frame.write_csv().encode()))
        case "txt":
            file.write_text(frame.write_csv(separator="\t"))
        case "jsonl":
            file.write_text(frame.write_ndjson())
        case _:
            frame.write_parquet(file)
    document = _check(down, file)
    assert (document["rows"], document["target"], document["task"]) == (60, "y", "classification")


def test_check_writes_nothing_beside_the_file(down: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(_german())
    _check(down, tmp_path / "a.csv")
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]
    assert list(down.uploads.keys("")) == list(down.artifacts.keys("")) == []


def test_check_uses_the_target_option(down: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(_german())
    document = _check(down, tmp_path / "a.csv", "--target", "Ort")
    assert (document["target"], document["task"]) == ("Ort", "classification")


def test_check_honors_the_train_yaml_beside_the_file(down: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(_german())
    (tmp_path / "train.yaml").write_text("target: Ort\ndrop: [Preis]\nalgorithms: [linear]\n")
    document = _check(down, tmp_path / "a.csv")
    assert (document["target"], document["plan"]) == ("Ort", ["linear"])
    (preis,) = [column for column in document["columns"] if column["name"] == "Preis"]
    assert "train.yaml" in preis["dropped"]


def test_check_uses_the_spec_option_instead_of_train_yaml(down: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(_german())
    (tmp_path / "train.yaml").write_text("target: Ort\n")
    (tmp_path / "other.yaml").write_text("algorithms: [linear]\n")
    document = _check(down, tmp_path / "a.csv", "--spec", tmp_path / "other.yaml")
    assert (document["target"], document["plan"]) == ("Preis", ["linear"])


def test_check_counts_the_rows_of_the_test_file_beside_it(down: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(_german())
    (tmp_path / "test.csv").write_text(_german(30))
    assert _check(down, tmp_path / "a.csv")["rows"] == 90


def test_check_only_warns_about_a_test_file_with_other_columns(down: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(_german())
    (tmp_path / "test.csv").write_text("other,columns\n1,2\n3,4\n")
    document = _check(down, tmp_path / "a.csv")
    assert document["rows"] == 60
    assert "test.csv" in document["warnings"][-1]


def test_check_reads_the_model_code_beside_the_file(down: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(_german(400))
    (tmp_path / "train.yaml").write_text("algorithms: [model_py]\n")
    (tmp_path / "model.py").write_text("def build(shape, settings):\n    ...\n")
    document = _check(down, tmp_path / "a.csv")
    assert document["plan"] == ["model_py"]


def test_check_ignores_a_model_py_that_defines_no_model(down: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(_german())
    (tmp_path / "model.py").write_text("print('mine')\n")
    assert _check(down, tmp_path / "a.csv")["rows"] == 60


def test_check_reads_a_folder_of_part_files_with_its_settings(down: Stage, tmp_path: Path) -> None:
    for part in range(2):
        frame = pl.DataFrame({"a": [i / 7 + part for i in range(40)], "y": ["yes", "no"] * 20})
        frame.write_parquet(tmp_path / f"part-{part}.parquet")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "train.yaml").write_text("algorithms: [linear]\n")
    document = _check(down, tmp_path)
    assert (document["rows"], document["plan"]) == (80, ["linear"])


def test_check_reads_a_folder_of_images(down: Stage, tmp_path: Path) -> None:
    for label, value in (("cat", 10), ("dog", 200)):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(20):
            file = io.BytesIO()
            Image.new("L", (8, 8), value + number).save(file, "png")
            (tmp_path / "pets" / label / f"{number}.png").write_bytes(file.getvalue())
    document = _check(down, tmp_path / "pets")
    assert (document["rows"], document["target"], document["task"]) == (40, "label", "classification")
    assert document["columns"][0]["kind"] == "image"


def test_check_lists_rejected_rows_with_their_lines_and_reasons(down: Stage, tmp_path: Path) -> None:
    lines = _german(400).splitlines()
    lines[9] = "broken"
    (tmp_path / "a.csv").write_text("\n".join(lines))
    document = _check(down, tmp_path / "a.csv")
    assert [row["line"] for row in document["rejected"]] == [10]
    assert document["rejected"][0]["reason"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "a,b\n1,2\n", "30"),
        ("a.csv", "", "'a.csv' is empty"),
        ("a.parquet", "PAR1", "parquet"),
        ("a.docx", "x", "'a.docx' has no known ending"),
    ],
)
def test_check_refuses_a_file_that_a_run_would_refuse_in_one_sentence(
    down: Stage, tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    result = down.run("check", str(tmp_path / name), "--json")
    assert result.exit_code == 1
    assert message in json.loads(result.stdout)["error"]
    assert result.stderr == f"error: {json.loads(result.stdout)['error']}\n"


def test_check_suggests_the_nearest_column_for_an_unknown_target(down: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(_german())
    result = down.run("check", str(tmp_path / "a.csv"), "--target", "Pries")
    assert result.exit_code == 1
    assert "did you mean 'Preis'" in result.stderr


def test_check_refuses_settings_that_do_not_fit_the_file(down: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(_german())
    (tmp_path / "train.yaml").write_text("metric: accuracy\ntask: regression\n")
    result = down.run("check", str(tmp_path / "a.csv"), "--json")
    assert result.exit_code == 1
    assert "accuracy" in json.loads(result.stdout)["error"]


def test_check_reports_that_the_base_model_is_looked_up_later(down: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(_german())
    (tmp_path / "train.yaml").write_text("training: {base_model: demo/m@live}\n")
    document = _check(down, tmp_path / "a.csv")
    assert (document["plan"], document["estimate"]) == ([], None)
    assert "base_model" in down.run("check", str(tmp_path / "a.csv")).stdout


def test_check_of_a_missing_file_is_a_usage_error(down: Stage, tmp_path: Path) -> None:
    assert down.run("check", str(tmp_path / "nothing.csv")).exit_code == 2


def test_check_prints_the_columns_the_file_format_and_the_plan(down: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(_german().encode("cp1252"))
    output = down.run("check", str(tmp_path / "a.csv")).stdout
    for fact in ("Preis (target)", "row number", "1252", "delimiter ';'", "a regression", "would try", "estimate"):
        assert fact in output


def test_check_of_a_wide_file_shows_the_first_columns_and_the_target(down: Stage, tmp_path: Path) -> None:
    random.seed(0)
    frame = pl.DataFrame({f"pixel_{i}": [random.random() for _ in range(40)] for i in range(200)})
    frame.with_columns(pl.Series("y", ["yes", "no"] * 20)).write_csv(tmp_path / "a.csv")
    output = down.run("check", str(tmp_path / "a.csv")).stdout
    assert "y (target)" in output
    assert "and 141 more columns" in output
    assert "pixel_199" not in output
