"""Convert files in CatBoost's own format."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from catboost import CatBoost, CatBoostClassifier, CatBoostError

from pipeline.contracts.errors import InvalidModelError
from pipeline.conversion.model import ConvertedModel, predict_original
from pipeline.conversion.raw_columns import name_outputs, read_columns
from pipeline.conversion.sample import Sample

__all__ = ["convert_catboost"]


def convert_catboost(path: Path, sample: Sample) -> ConvertedModel:
    """Convert a .cbm file; CatBoost writes ONNX only for models of numeric features.

    Raises:
        InvalidModelError: The file is damaged, or the model has categories or several targets.
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
    classes = list(model.classes_) if is_classifier else None
    return ConvertedModel(
        model=name_outputs(read_columns(_without_maps(body), sample), classes),
        sample=sample,
        expected=predict_original(model, sample.matrix(), is_classifier=is_classifier),
        kind=type(model).__name__,
    )


def _without_maps(body: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph without its ZipMap node, so that its probabilities are a matrix."""
    for node in [node for node in body.graph.node if node.op_type == "ZipMap"]:
        matrix = onnx.helper.make_tensor_value_info(node.input[0], onnx.TensorProto.FLOAT, ["batch", None])
        outputs = [matrix if output.name == node.output[0] else output for output in body.graph.output]
        body.graph.node.remove(node)
        del body.graph.output[:]
        body.graph.output.extend(outputs)
    return body
