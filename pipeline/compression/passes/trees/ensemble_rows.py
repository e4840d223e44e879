"""Inputs and sums of an ensemble inside a body, for training rows and as many mixtures of them."""

from __future__ import annotations

import hashlib
from dataclasses import fields

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.trees.leaf_values import compute_sums
from pipeline.compression.passes.trees.tree_nodes import compute_tensor
from pipeline.graphs.tree_ensemble import Trees

__all__ = ["name_ensemble", "read_ensemble_rows"]

_MAX_ROWS = 20_000

Floats = npt.NDArray[np.float32]


def name_ensemble(features: str, trees: Trees) -> str:
    """Return the cache key of an ensemble, by its content: two ensembles may read the same tensor."""
    content = hashlib.sha256()
    for field in fields(trees):
        content.update(getattr(trees, field.name).tobytes())
    return f"{content.hexdigest()} on {features}"


def read_ensemble_rows(
    context: PassContext, graph: onnx.ModelProto, features: str, trees: Trees
) -> tuple[Floats, Floats]:
    """Return the inputs of an ensemble [rows, columns] and its sums [rows, targets], in random order.

    Args:
        context: Context with the training rows; its cache stores the result.
        graph: The body.
        features: The tensor that the ensemble reads.
        trees: The ensemble.
    """
    key = f"{name_ensemble(features, trees)} of {hashlib.sha256(graph.SerializeToString()).hexdigest()}"
    if key not in context.cache:
        rows = context.rows.sample(_MAX_ROWS // 2, context.seed)
        values = [compute_tensor(graph, features, sample) for sample in (rows, rows.mix(context.seed))]
        order = np.random.default_rng(context.seed).permutation(2 * len(rows))
        mixed = np.concatenate(values)[order]
        context.cache[key] = mixed, compute_sums(trees, mixed)
    read: tuple[Floats, Floats] = context.cache[key]
    return read
