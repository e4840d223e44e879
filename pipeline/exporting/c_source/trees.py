"""Tree ensembles as tables that a single loop traverses (ONNX-ML TreeEnsemble, opset 5)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from onnx import numpy_helper

from pipeline.exporting.c_source.emitter import Emitter, Operation, emits

__all__: list[str] = []

_MODES = ("<=", "<", ">=", ">", "==", "!=")
_SUM = 1  # aggregate_function
_UNSIGNED = (np.uint8, np.uint16)  # types of an index into a table of distinct numbers
_INTEGERS = ((np.int8, "int8_t"), (np.int16, "int16_t"), (np.int32, "int32_t"))


@emits("TreeEnsemble")
def emit_tree_ensemble(emitter: Emitter, operation: Operation) -> None:
    """Add up the leaves of all trees.

    A child is stored as the index of a node, or as the complement ``~leaf`` of the index of a leaf.

    Raises:
        InvalidModelError: C source has no such operation: trees whose output is not the sum of their leaves.
    """
    attributes = operation.attributes
    if attributes.get("aggregate_function", _SUM) != _SUM or attributes.get("post_transform", 0):
        raise operation.refuse("tree ensemble that does more than add up its leaves")
    targets = int(attributes["n_targets"])
    feature = _table(emitter, operation, "feature", np.array(attributes["nodes_featureids"]))
    true, false = (
        _table(
            emitter, operation, side, _children(attributes[f"nodes_{side}nodeids"], attributes[f"nodes_{side}leafs"])
        )
        for side in ("true", "false")
    )
    root = _table(emitter, operation, "root", np.array(attributes["tree_roots"]))
    split = _floats(emitter, operation, "split", numpy_helper.to_array(attributes["nodes_splits"]), "node")
    leaf = _floats(emitter, operation, "leaf", numpy_helper.to_array(attributes["leaf_weights"]), "~node")
    target = "0"
    if targets > 1:
        table = _table(emitter, operation, "target", np.array(attributes["leaf_targetids"]))
        target = f"{table}[~node]"
    output, source = operation.output.name, emitter.name(operation.input(0))
    emitter.loop(operation.output.size, f"{output}[i] = 0;")
    emitter.add(
        f"for (int tree = 0; tree < {len(attributes['tree_roots'])}; tree++) {{ "
        f"int node = {root}[tree]; "
        f"do {{ float x = {source}[{feature}[node]]; "
        f"node = {_condition(emitter, operation, split)} ? {true}[node] : {false}[node]; "
        f"}} while (node >= 0); {output}[{target}] += {leaf}; }}"
    )


def _children(nodes: list[int], are_leaves: list[int]) -> npt.NDArray[np.int64]:
    children = np.array(nodes, dtype=np.int64)
    return np.where(np.array(are_leaves, dtype=bool), ~children, children)


def _condition(emitter: Emitter, operation: Operation, split: str) -> str:
    """Return the C condition of a node's true branch; if nodes have several modes, they are read from a table."""
    modes = numpy_helper.to_array(operation.attributes["nodes_modes"])
    if (modes >= len(_MODES)).any():
        raise operation.refuse("tree with tests of set membership")
    if len(set(modes.tolist())) == 1:
        condition = f"x {_MODES[int(modes[0])]} {split}"
    else:
        table = _table(emitter, operation, "mode", modes.astype(np.int64))
        tests = "".join(f"{table}[node] == {mode} ? x {sign} {split} : " for mode, sign in enumerate(_MODES[:-1]))
        condition = f"({tests}x != {split})"
    tracks = operation.attributes.get("nodes_missing_value_tracks_true")
    if tracks is None or not any(tracks):
        return condition
    missing = _table(emitter, operation, "missing", np.array(tracks))
    return f"(isnan(x) ? {missing}[node] : {condition})"


def _table(emitter: Emitter, operation: Operation, suffix: str, values: npt.NDArray[np.int64]) -> str:
    """Define a table of integers, of the smallest type that holds them."""
    c_type = next(name for dtype, name in _INTEGERS if np.array_equal(values.astype(dtype), values))
    return emitter.add_table(c_type, suffix, operation, values)


def _floats(emitter: Emitter, operation: Operation, suffix: str, values: npt.NDArray[np.float32], index: str) -> str:
    """Define a table of numbers; return the C expression of the number at ``index``.

    If numbers repeat, define a table of the distinct numbers and a table of indices into it, when this saves bytes.
    """
    values = values.astype(np.float32)
    distinct, indices = np.unique(values, return_inverse=True)
    width = next((dtype().itemsize for dtype in _UNSIGNED if len(distinct) - 1 <= np.iinfo(dtype).max), 4)
    if len(distinct) * values.itemsize + len(values) * width >= len(values) * values.itemsize:
        return f"{emitter.add_table('float', suffix, operation, values)}[{index}]"
    table = emitter.add_table("float", suffix, operation, distinct)
    c_type = f"uint{8 * width}_t"
    codes = emitter.add_table(c_type, f"{suffix}_code", operation, indices)
    return f"{table}[{codes}[{index}]]"
