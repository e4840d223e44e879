"""drop and check refuse an .onnx file before the upload if its run would refuse it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from pipeline.cli.upload.model_check import check_model_file, read_model_file
from pipeline.contracts.errors import InvalidModelError
from pipeline.validation.readers.formats import find_format
from tests.fakes.onnx_graphs import constant, graph, layer, matrix
from tests.unit.cli.conftest import Stage

GOOD = graph([layer("x", "y")], [matrix("x", 2)], [matrix("y", 1)], [constant("w", np.ones((2, 1)))])
BAD = graph([helper.make_node("Foo", ["x"], ["y"], name="odd")], [matrix("x", 2)], [matrix("y", 1)])


def test_a_bad_model_is_not_uploaded(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(BAD.SerializeToString())
    with pytest.raises(InvalidModelError, match=r"net\.onnx: node 'odd' \(Foo\).*nothing was uploaded"):
        check_model_file(file, None, None, check=True)
    check_model_file(file, None, None, check=False)


def test_check_reads_the_rows_beside_the_model(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(GOOD.SerializeToString())
    (tmp_path / "calibration.csv").write_text("width,height\n1,2\n3,4\n")
    dataset = read_model_file(file, None)
    assert [column.name for column in dataset.columns] == ["width", "height"]
    assert dataset.task == "regression"


@pytest.mark.parametrize("file", ["forest.joblib", "Forest.PKL", "net.pt", "net.keras", "trees.cbm"])
def test_trained_models_of_other_formats_are_refused_with_the_convert_command(file: str) -> None:
    with pytest.raises(InvalidModelError, match=f"modeldrop convert {file} --sample ROWS.csv"):
        find_format(file)


def test_drop_uploads_the_calibration_rows_before_the_model(stage: Stage, tmp_path: Path) -> None:
    file, rows = tmp_path / "net.onnx", tmp_path / "mine.csv"
    file.write_bytes(GOOD.SerializeToString())
    rows.write_text("width,height\n1,2\n3,4\n")
    done = stage.run("drop", "--no-watch", "--calibration", str(rows), str(file))
    assert done.exit_code == 0, done.output
    assert list(stage.uploads.keys("")) == ["demo/net/calibration.csv", "demo/net/net.onnx"]
    assert stage.uploads.get("demo/net/calibration.csv") == rows.read_bytes()
