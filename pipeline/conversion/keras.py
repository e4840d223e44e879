"""Keras models and TensorFlow's SavedModel."""

from __future__ import annotations

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

_OPSET = 18  # the newest that tf2onnx writes


def convert_keras(path: Path, sample: Sample) -> ConvertedModel:
    """Convert a Keras model of one matrix.

    Raises:
        InvalidModelError: The file is damaged, or the model reads others than the sample has.
    """
    try:
        model = tf.keras.models.load_model(path)
    except (OSError, ValueError) as error:
        raise InvalidModelError(f"{path.name} is no Keras model: {str(error).partition(chr(10))[0]}") from None
    rows = sample.expect_width(int(model.input_shape[-1])).matrix()
    signature = [tf.TensorSpec((None, rows.shape[1]), tf.float32, name="x")]
    body, _ = tf2onnx.convert.from_keras(model, input_signature=signature, opset=_OPSET)
    body.graph.output[0].name = _rename_output(body)
    return ConvertedModel(
        model=read_columns(body, sample),
        sample=sample,
        expected=[np.asarray(model.predict(rows, verbose=0))],
        kind="Keras",
    )


def _rename_output(body: onnx.ModelProto) -> str:
    """Name the only output ``value``, in its node as well."""
    output: Any = body.graph.output[0].name
    for node in body.graph.node:
        node.output[:] = ["value" if name == output else name for name in node.output]
    return "value"
