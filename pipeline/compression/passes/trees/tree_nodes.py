"""Find, read and replace the tree ensembles of a body."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from pipeline.compression.training_rows import TrainingRows, predict
from pipeline.contracts.errors import NotApplicableError
from pipeline.graphs.compose import keep_needed
from pipeline.graphs.tree_ensemble import Trees, find_tree_nodes

__all__ = ["compute_tensor", "has_trees", "map_trees", "read_trees"]

Floats = npt.NDArray[np.float32]


def has_trees(body: bytes) -> bool:
    """Return whether a serialized body has a tree ensemble; False if it cannot be parsed."""
    try:
        return any(True for _ in find_tree_nodes(onnx.load_from_string(body).graph))
    except DecodeError:
        return False


def read_trees(model: onnx.ModelProto) -> list[Trees]:
    """Return the ensembles of a body, in the order of its nodes.

    Raises:
        NotApplicableError: There are none, or one is more than a sum of leaves behind splits ``x <= threshold``.
    """
    try:
        ensembles = [Trees.of(node) for node in find_tree_nodes(model.graph)]
    except ValueError as error:
        raise NotApplicableError(str(error)) from error
    if not ensembles:
        raise NotApplicableError("the model has no trees")
    return ensembles


def map_trees(model: onnx.ModelProto, change: Callable[[Trees, str], Trees]) -> onnx.ModelProto:
    """Return a copy of a body in which the result of ``change`` replaces each ensemble.

    Args:
        model: A body.
        change: Takes an ensemble and the name of the tensor that it reads.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for node in find_tree_nodes(changed.graph):
        trees = change(Trees.of(node), node.input[0])
        targets = next(attribute.i for attribute in node.attribute if attribute.name == "n_targets")
        name = node.name
        node.CopyFrom(trees.node(node.input[0], node.output[0], targets=targets))
        node.name = name
    return changed


def compute_tensor(model: onnx.ModelProto, name: str, rows: TrainingRows) -> Floats:
    """Return the values of the tensor ``name`` inside a body for these rows [rows, columns]."""
    output = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    return predict(keep_needed(model, [output]).SerializeToString(), rows).astype(np.float32)
