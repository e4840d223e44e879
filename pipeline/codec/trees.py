"""The span of a tree ensemble's attributes, whose structure follows from one flag for each node.

Trees in preorder (pipeline.compression.order_trees) need no pointers: a branch's true child is the next node, its
false child the node behind the true child's subtree, and a tree ends where all its branches have two children. The
numbers of trees and nodes, the children, and the leaves that weights belong to are therefore derived. What is stored
are the modes, the branches' features and thresholds (sorted by feature: thresholds of one feature are alike), and the
leaves' weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.codec.arrays import read_array, write_array
from pipeline.codec.protobuf import serialize_attribute
from pipeline.codec.streams import StreamReader, StreamWriter

__all__ = ["TREE_LISTS", "TreeSpan", "read_trees"]

_LEAF = "LEAF"
_PREFIXES = ("target_", "class_")
_NODE_LISTS = (
    "treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "hitrates",
    "missing_value_tracks_true",
)  # fmt: skip
_OPTIONAL = ("hitrates", "missing_value_tracks_true")
_WEIGHT_LISTS = ("treeids", "nodeids", "ids", "weights")
TREE_LISTS = frozenset(
    [f"nodes_{name}" for name in _NODE_LISTS]
    + [f"{prefix}{name}" for prefix in _PREFIXES for name in _WEIGHT_LISTS]
)  # fmt: skip

Array = npt.NDArray[Any]
Lists = Mapping[str, Array]  # attribute -> its values: int64, float32 viewed as uint32, or texts


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeSpan:
    """The consecutive bytes of all attributes of one TreeEnsembleClassifier or TreeEnsembleRegressor node.

    Attributes:
        offset: Where they begin in the file.
        size: Bytes.
        order: The attributes in the order of the file: the name of one of TREE_LISTS, or the bytes of another.
        lists: The values of the former: int64; float32 viewed as uint32; or texts.
    """

    offset: int
    size: int
    order: Sequence[str | bytes]
    lists: Lists

    def is_in_preorder(self, content: bytes) -> bool:
        """Return whether ``content``, the span's bytes, can be rebuilt from what write stores."""
        try:
            return _rebuild(*self._independent()) == content
        except (ValueError, KeyError, IndexError, StopIteration):
            return False

    def write(self, file: bytes, writer: StreamWriter) -> dict[str, Any]:
        """Write what does not follow from the rest; return the description that read_trees needs."""
        description, arrays = self._independent()
        return {"trees": {**description, "arrays": {name: write_array(each, writer) for name, each in arrays.items()}}}

    def _independent(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """What is stored: a description, and arrays of unsigned integers."""
        modes, codes = np.unique(self.lists["nodes_modes"].astype(str), return_inverse=True)
        prefix = next(name for name in _PREFIXES if f"{name}ids" in self.lists)
        order = [part if isinstance(part, str) else {"bytes": part.hex()} for part in self.order]
        branches = modes[codes] != _LEAF
        arrays = {"modes": codes, **_branch_lists(self.lists, branches), **_leaf_lists(self.lists, prefix)}
        for name in _OPTIONAL:
            if f"nodes_{name}" in self.lists:
                arrays[name] = self.lists[f"nodes_{name}"]
        description = {"modes": modes.tolist(), "prefix": prefix, "order": order}
        return description, {name: _unsigned(values) for name, values in arrays.items()}


def read_trees(description: Mapping[str, Any], reader: StreamReader) -> bytes:
    """Return the bytes of the span that TreeSpan.write wrote.

    Raises:
        ValueError: A stream is damaged.
    """
    trees = description["trees"]
    return _rebuild(trees, {name: read_array(each, reader) for name, each in trees["arrays"].items()})


def _branch_lists(lists: Lists, branches: Array) -> dict[str, Array]:
    features = lists["nodes_featureids"][branches]
    return {"features": features, "thresholds": lists["nodes_values"][branches][np.argsort(features, kind="stable")]}


def _leaf_lists(lists: Lists, prefix: str) -> dict[str, Array]:
    """``counts``: how many weights each leaf has; one number where all have the same."""
    leaves = np.stack([lists[f"{prefix}treeids"], lists[f"{prefix}nodeids"]])
    counts = np.diff(np.flatnonzero(np.concatenate([[True], (np.diff(leaves) != 0).any(axis=0), [True]])))
    return {
        "counts": counts[:1] if (counts == counts[0]).all() else counts,
        "ids": lists[f"{prefix}ids"],
        "weights": lists[f"{prefix}weights"],
    }


def _unsigned(values: Array) -> Array:
    """Integers in the fewest bytes that hold them; the bits of floats as they are."""
    if values.dtype == np.uint32:
        return values
    if values.min(initial=0) < 0:
        raise ValueError("a tree's numbers are not negative")
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def _rebuild(description: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """The attributes' bytes."""
    modes = np.array(description["modes"])[arrays["modes"]]
    branches = modes != _LEAF
    features = arrays["features"].astype(np.int64)
    thresholds = np.empty(len(features), np.uint32)
    thresholds[np.argsort(features, kind="stable")] = arrays["thresholds"]
    trees, numbers, false = _structure(branches)
    lists: dict[str, Array] = {
        "nodes_treeids": trees,
        "nodes_nodeids": numbers,
        "nodes_featureids": _spread(features, branches),
        "nodes_values": _spread(thresholds, branches),
        "nodes_modes": modes,
        "nodes_truenodeids": _spread(numbers[branches] + 1, branches),
        "nodes_falsenodeids": _spread(false, branches),
    }
    if "hitrates" in arrays:
        lists["nodes_hitrates"] = arrays["hitrates"]
    if "missing_value_tracks_true" in arrays:
        lists["nodes_missing_value_tracks_true"] = arrays["missing_value_tracks_true"].astype(np.int64)
    counts = np.broadcast_to(arrays["counts"], (len(branches) - len(features),)).astype(np.int64)
    prefix = description["prefix"]
    lists[f"{prefix}treeids"] = np.repeat(trees[~branches], counts)
    lists[f"{prefix}nodeids"] = np.repeat(numbers[~branches], counts)
    lists[f"{prefix}ids"] = arrays["ids"].astype(np.int64)
    lists[f"{prefix}weights"] = arrays["weights"]
    return b"".join(
        serialize_attribute(part, lists[part]) if isinstance(part, str) else bytes.fromhex(part["bytes"])
        for part in description["order"]
    )


def _structure(branches: Array) -> tuple[Array, Array, Array]:
    """Of nodes in preorder: the tree and the number in it of each, and the number of each branch's false child."""
    index = np.arange(len(branches))
    # How many subtrees are still to come; it falls below all before it where a tree ends.
    pending = np.cumsum(np.where(branches, 1, -1))
    ends = pending < np.minimum.accumulate(np.concatenate([[0], pending[:-1]]))
    trees = np.concatenate([[0], np.cumsum(ends)[:-1]]).astype(np.int64)
    starts = np.concatenate([[0], index[ends][:-1] + 1])
    numbers = index - starts[trees]
    # The true child's subtree ends at the first later node where one subtree less is to come than at its parent.
    level = pending - pending.min(initial=0)
    keys = level * len(index) + index
    ordered = np.sort(keys)
    parents = index[branches]
    after = ordered[np.searchsorted(ordered, (level[parents] - 1) * len(index) + parents)] % len(index)
    return trees, numbers, numbers[after] + 1


def _spread(values: Array, branches: Array) -> Array:
    """The branches' values, and zeros at the leaves."""
    spread = np.zeros(len(branches), values.dtype)
    spread[branches] = values
    return spread
