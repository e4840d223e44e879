"""Every target has the model, a schema and a README with a working snippet, and is verified on golden rows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.contracts.errors import ExportMismatchError, InvalidModelError
from pipeline.contracts.signature import Column, Signature
from pipeline.exporting.c_source.run import find_compiler
from pipeline.exporting.comparison import compare_outputs
from pipeline.exporting.targets import TARGETS, Export, Target, export_model
from pipeline.exporting.web.run import find_node
from tests.helpers.browser import runtime_error

ROWS: tuple[Mapping[str, Any], ...] = ({"size": 3.0, "town": "Bergen"}, {"size": None, "town": ""})
FEEDS = {"size": np.array([3.0, np.nan], np.float32), "town": np.array(["Bergen", ""], dtype=object)}
SIGNATURE = Signature(
    task="regression",
    target="price",
    columns=(Column(name="size", kind="numeric"), Column(name="town", kind="categorical")),
)


def model() -> onnx.ModelProto:
    """``value = 2 * size (5 if missing) + 1 in Bergen``."""
    encoder = helper.make_node(
        "LabelEncoder",
        ["town"],
        ["bergen"],
        domain="ai.onnx.ml",
        keys_strings=["Bergen"],
        values_floats=[1.0],
        default_float=0.0,
    )
    nodes = [
        encoder,
        helper.make_node("IsNaN", ["size"], ["missing"]),
        helper.make_node("Where", ["missing", "fill", "size"], ["filled"]),
        helper.make_node("Mul", ["filled", "two"], ["doubled"]),
        helper.make_node("Add", ["doubled", "bergen"], ["value"]),
    ]
    inputs = [
        helper.make_tensor_value_info("size", TensorProto.FLOAT, ["batch"]),
        helper.make_tensor_value_info("town", TensorProto.STRING, ["batch"]),
    ]
    outputs = [helper.make_tensor_value_info("value", TensorProto.FLOAT, ["batch"])]
    constants = [numpy_helper.from_array(np.float32(5), "fill"), numpy_helper.from_array(np.float32(2), "two")]
    graph = helper.make_graph(nodes, "houses", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def exported(target: Target) -> Export:
    return export_model(model().SerializeToString(), SIGNATURE, target, name="houses", rows=ROWS, feeds=FEEDS)


def snippet(readme: str, language: str) -> str:
    return readme.split(f"```{language}\n")[1].split("```", maxsplit=1)[0]


@pytest.mark.parametrize("target", TARGETS)
def test_an_export_is_verified_on_golden_rows(target: Target) -> None:
    if target == "web" and (reason := runtime_error()):
        pytest.skip(f"needs onnxruntime-web: {reason}")
    export = exported(target)
    assert json.loads(export.files["schema.json"])["target"] == "price"
    if {"c": find_compiler, "web": find_node}.get(target, bool)() is not None:
        assert export.comparison is not None
        assert (export.comparison.rows, export.comparison.equal) == (2, 2)


@pytest.mark.parametrize("target", ["onnx", "ort"])
def test_the_python_snippet_of_the_readme_predicts_the_first_golden_row(target: Target, tmp_path: Path) -> None:
    export = exported(target)
    (tmp_path / f"houses.{target}").write_bytes(export.files[f"houses.{target}"])
    code = snippet(export.files["README.md"].decode(), "python")
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "7." in result.stdout


@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
def test_the_c_snippet_of_the_readme_predicts_the_first_golden_row(tmp_path: Path) -> None:
    export = exported("c")
    for name in ("houses.c", "houses.h"):
        (tmp_path / name).write_bytes(export.files[name])
    (tmp_path / "main.c").write_text(snippet(export.files["README.md"].decode(), "c"))
    compiler = find_compiler()
    assert compiler is not None
    command = [compiler, "-Wall", "-Werror", "-o", "predict", "main.c", "houses.c", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert subprocess.run(["./predict"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "7\n"


def test_texts_and_images_are_refused_for_c() -> None:
    signature = Signature(task="regression", target="price", columns=(Column(name="text", kind="text"),))
    with pytest.raises(InvalidModelError, match="texts or images"):
        export_model(model().SerializeToString(), signature, "c", name="houses", rows=ROWS, feeds=FEEDS)


def test_an_export_whose_predictions_are_not_finite_is_refused() -> None:
    feeds = FEEDS | {"size": np.array([3.0, np.inf], np.float32)}
    with pytest.raises(ExportMismatchError, match="1 of 2 golden rows"):
        export_model(model().SerializeToString(), SIGNATURE, "onnx", name="houses", rows=ROWS, feeds=feeds)


def test_outputs_are_equal_if_labels_are_equal_and_numbers_are_close() -> None:
    labels, numbers = np.array(["a", "b"], dtype=object), np.array([[1e6], [0.0]], np.float32)
    same = compare_outputs([labels, numbers * np.float32(1 + 1e-6)], [labels, numbers])
    assert same.is_equal
    unequal = compare_outputs([labels[::-1], numbers], [labels, numbers])
    assert (unequal.equal, unequal.max_difference) == (0, 0.0)
