"""CatBoost's own files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from catboost import CatBoost, CatBoostClassifier, CatBoostError

from pipeline.contracts.errors import InvalidModelError
from pipeline.conversion.model import ConvertedModel
from pipeline.conversion.raw_columns import name_outputs, read_columns
from pipeline.conversion.sample import Sample

__all__ = ["convert_catboost"]


def convert_catboost(path: Path, sample: Sample) -> ConvertedModel:
    """Convert a .cbm file; CatBoost writes ONNX for models of numbers.

    Raises:
        InvalidModelError: The file is damaged, or the model has categories.
    """
    try:
        model = CatBoost().load_model(str(path))
        is_classifier = bool(np.size(getattr(model, "classes_", ())))
        if is_classifier:
            model = CatBoostClassifier().load_model(str(path))
        with tempfile.TemporaryDirectory(prefix="modeldrop-") as folder:
            file = Path(folder) / "model.onnx"
            model.save_model(str(file), format="onnx")
            body = onnx.load(file)
    except CatBoostError as error:
        raise InvalidModelError(
            f"{path.name}: CatBoost cannot write it as ONNX: {str(error).splitlines()[0]}"
        ) from None
    sample = sample.expect_width(len(model.feature_names_))
    rows = sample.matrix()
    if not is_classifier:
        values: list[npt.NDArray[Any]] = [np.asarray(model.predict(rows))]
        return ConvertedModel(
            model=name_outputs(read_columns(body, sample), None), sample=sample, expected=values, kind="CatBoost"
        )
    classes = list(model.classes_)
    labels = np.array([str(label) for label in np.ravel(model.predict(rows))], dtype=object)
    return ConvertedModel(
        model=name_outputs(read_columns(_without_maps(body), sample), classes),
        sample=sample,
        expected=[labels, np.asarray(model.predict_proba(rows))],
        kind="CatBoostClassifier",
    )


def _without_maps(body: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph without its ZipMap: its probabilities are then a matrix."""
    for node in [node for node in body.graph.node if node.op_type == "ZipMap"]:
        matrix = onnx.helper.make_tensor_value_info(node.input[0], onnx.TensorProto.FLOAT, ["batch", None])
        outputs = [matrix if output.name == node.output[0] else output for output in body.graph.output]
        body.graph.node.remove(node)
        del body.graph.output[:]
        body.graph.output.extend(outputs)
    return body
