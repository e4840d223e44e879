"""Convert Keras models and TensorFlow's SavedModel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

from pipeline.contracts.errors import InvalidModelError
from pipeline.conversion.model import ConvertedModel
from pipeline.conversion.raw_columns import read_columns
from pipeline.conversion.sample import Sample

__all__ = ["convert_keras"]

_OPSET = 18  # the newest opset that tf2onnx writes
_SIGNATURE = "serving_default"


def convert_keras(path: Path, sample: Sample) -> ConvertedModel:
    """Convert a Keras model with one input matrix, or the signature ``serving_default`` of a SavedModel.

    tf2onnx traces the model as a function: its own reader of Keras models does not support Keras 3.

    Raises:
        InvalidModelError: The file is damaged, or the model reads other inputs than the sample has.
    """
    predict, width, kind = _load_saved_model(path) if path.is_dir() else _load_keras(path)
    rows = (sample if width is None else sample.expect_width(width)).matrix()
    traced = tf.function(predict)
    try:
        expected = np.asarray(traced(tf.constant(rows)))
        body, _ = tf2onnx.convert.from_function(
            traced, input_signature=[tf.TensorSpec((None, rows.shape[1]), tf.float32, name="x")], opset=_OPSET
        )
    except (ValueError, TypeError, tf.errors.OpError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InvalidModelError(f"{path.name} cannot be converted by tf2onnx: {reason}") from None
    body.graph.output[0].name = _rename_output(body)
    return ConvertedModel(model=read_columns(body, sample), sample=sample, expected=[expected], kind=kind)


def _load_keras(path: Path) -> tuple[Callable[[Any], Any], int | None, str]:
    try:
        model = tf.keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidModelError(f"{path.name} is not a Keras model: {str(error).partition(chr(10))[0]}") from None
    if isinstance(model.input_shape, list) or len(model.input_shape) != 2:
        raise InvalidModelError(f"{path.name} reads {model.input_shape}, and one matrix [rows, columns] is expected")
    return lambda x: model(x, training=False), model.input_shape[-1], "Keras"


def _load_saved_model(path: Path) -> tuple[Callable[[Any], Any], int | None, str]:
    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise InvalidModelError(f"{path.name} is not a SavedModel: {str(error).partition(chr(10))[0]}") from None
    if _SIGNATURE not in loaded.signatures:
        raise InvalidModelError(f"{path.name} has no signature '{_SIGNATURE}', which is the one that is converted")
    signature = loaded.signatures[_SIGNATURE]
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise InvalidModelError(
            f"{path.name}: '{_SIGNATURE}' has {len(inputs)} inputs and {len(outputs)} outputs, and one of each is "
            "expected"
        )
    ((name, spec),) = inputs.items()
    (output,) = outputs
    shape = spec.shape.as_list() if spec.shape.rank is not None else [None, None]
    if len(shape) != 2:
        raise InvalidModelError(f"{path.name} reads {shape}, and one matrix [rows, columns] is expected")

    def predict(x: Any) -> Any:
        return signature(**{name: x})[output]

    predict.model = loaded  # type: ignore[attr-defined]  # a reference keeps the model's variables alive
    return predict, shape[1], "SavedModel"


def _rename_output(body: onnx.ModelProto) -> str:
    """Rename the only output to ``value`` in the nodes that write it, and return this name."""
    output: Any = body.graph.output[0].name
    for node in body.graph.node:
        node.output[:] = ["value" if name == output else name for name in node.output]
    return "value"
