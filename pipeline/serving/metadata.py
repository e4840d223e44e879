"""Metadata of servers and models in the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline import __version__
from pipeline.contracts.signature import Signature

__all__ = ["MAX_NAMED_VERSIONS", "model_metadata", "server_metadata"]

MAX_NAMED_VERSIONS = 100  # newest versions of a model that its metadata list

Document = dict[str, Any]


def server_metadata() -> Document:
    """Return the metadata of the server."""
    return {"name": "modeldrop", "version": __version__, "extensions": ["binary_tensor_data"]}


def model_metadata(model: str, versions: Iterable[int], signature: Signature) -> Document:
    """Return the metadata of a version.

    Args:
        model: Name of the model.
        versions: Versions that can be called.
        signature: Columns and outputs of the version.
    """
    return {
        "name": model,
        "versions": [str(version) for version in versions],
        "platform": "onnx_onnxv1",
        "inputs": [
            {"name": column.name, "datatype": column.datatype, "shape": [-1, *column.shape]}
            for column in signature.columns
        ],
        "outputs": _outputs(signature),
        "signature": signature.to_dict(),  # an extension of the protocol: how the training file was read
    }


def _outputs(signature: Signature) -> list[Document]:
    if signature.task == "regression":
        shapes = ([-1, len(signature.targets)] if signature.targets else [-1], [-1, len(signature.quantiles)])
        named = zip(signature.outputs, shapes, strict=False)
        return [{"name": name, "datatype": "FP32", "shape": shape} for name, shape in named]
    label, probabilities = signature.outputs
    return [
        {"name": label, "datatype": "BYTES", "shape": [-1]},
        {"name": probabilities, "datatype": "FP32", "shape": [-1, len(signature.classes)]},
    ]
