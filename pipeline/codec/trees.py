"""The span of a tree ensemble's attributes, whose structure follows from two flags per split.

Trees in preorder (pipeline.compression.passes.trees) need no pointers: the true child of a split is the next split, the
false child is the split after the true child's subtree, leaves are numbered in the order in which they occur, and a
tree ends at the split after which no split is pending. The file stores the flags that tell which children are leaves,
the features and thresholds of the splits (sorted by feature, because thresholds of one feature are similar), and the
targets and weights of the leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.codec.arrays import read_array, write_array
from pipeline.codec.protobuf import serialize_ints
from pipeline.codec.streams import StreamReader, StreamWriter

__all__ = ["TreeAttribute", "TreeSpan", "read_trees"]

_DERIVED = ("tree_roots", "nodes_truenodeids", "nodes_falsenodeids")
_THRESHOLDS, _FEATURES, _FLAGS = "nodes_splits", "nodes_featureids", ("nodes_trueleafs", "nodes_falseleafs")
_SHARED = "shared_leaves"  # per reference to a leaf: 0 for the first reference to it, otherwise 1 + its index

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeAttribute:
    """One attribute, or bytes between attributes.

    Attributes:
        name: Name of the attribute; "" for bytes between attributes.
        values: int64 for a list of integers; unsigned integers for the elements of a tensor.
        before: Bytes before a tensor's elements; or the bytes between attributes.
        after: Bytes after a tensor's elements.
    """

    name: str = ""
    values: Array | None = None
    before: bytes = b""
    after: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeSpan:
    """The consecutive bytes of all attributes of one TreeEnsemble node.

    Attributes:
        offset: Offset of the first byte in the file.
        size: Number of bytes.
        attributes: Attributes in the order of the file.
    """

    offset: int
    size: int
    attributes: Sequence[TreeAttribute]

    def is_in_preorder(self, content: bytes) -> bool:
        """Return whether ``content``, the bytes of the span, can be rebuilt from what ``write`` stores."""
        try:
            return _rebuild(*self._independent()) == content
        except (ValueError, KeyError, IndexError):
            return False

    def write(self, file: bytes, writer: StreamWriter) -> dict[str, Any]:
        """Write the attributes that cannot be derived from others; return the description that read_trees needs."""
        trees, arrays = self._independent()
        return {"trees": trees, "arrays": {name: write_array(array, writer) for name, array in arrays.items()}}

    def _independent(self) -> tuple[list[list[str]], dict[str, Array]]:
        """Return what is stored: the attributes without their values, and their values as unsigned integers by name."""
        values = {attribute.name: attribute.values for attribute in self.attributes if attribute.values is not None}
        arrays = {name: array for name, array in values.items() if name not in _DERIVED}
        arrays[_THRESHOLDS] = arrays[_THRESHOLDS][np.argsort(arrays[_FEATURES], kind="stable")]
        arrays[_SHARED] = _shared_leaves(values)
        trees = [
            [attribute.name, attribute.before.hex(), attribute.after.hex()] if attribute.before else [attribute.name]
            for attribute in self.attributes
        ]
        return trees, {name: _unsigned(array) for name, array in arrays.items()}


def read_trees(description: Mapping[str, Any], reader: StreamReader) -> bytes:
    """Return the bytes of the span that TreeSpan.write wrote.

    Raises:
        ValueError: A stream is damaged.
    """
    arrays = {name: read_array(array, reader) for name, array in description["arrays"].items()}
    return _rebuild(description["trees"], arrays)


def _shared_leaves(values: Mapping[str, Array]) -> Array:
    flags = [values[name] for name in _FLAGS]
    order = _leaf_order(*flags)
    named = np.concatenate([values[name][flag == 1] for name, flag in zip(_DERIVED[1:], flags, strict=True)])[order]
    first = np.zeros(len(named), bool)
    first[np.unique(named, return_index=True)[1]] = True
    return np.where(first, 0, named + 1)


def _unsigned(values: Array) -> Array:
    """Return integers in the smallest unsigned type that holds them; return the elements of a tensor unchanged."""
    if values.dtype != np.int64:
        return values
    if values.min(initial=0) < 0:
        raise ValueError("a tree's numbers are not negative")
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def _rebuild(trees: Sequence[Sequence[str]], arrays: Mapping[str, Array]) -> bytes:
    """Return the bytes of the attributes."""
    lists = {**arrays, **_pointers(arrays)}
    thresholds = np.empty_like(arrays[_THRESHOLDS])
    thresholds[np.argsort(arrays[_FEATURES], kind="stable")] = arrays[_THRESHOLDS]
    lists[_THRESHOLDS] = thresholds
    written = []
    for name, *around in trees:
        before, after = map(bytes.fromhex, around or ("", ""))
        if not name:
            written.append(before)
        elif around:
            written += (before, lists[name].tobytes(), after)
        else:
            written.append(serialize_ints(name, lists[name].astype(np.int64)))
    return b"".join(written)


def _pointers(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Derive the roots and the children of the splits from the flags."""
    true_leaf, false_leaf = (arrays[name] == 1 for name in _FLAGS)
    pending, ends = _subtree_ends(true_leaf, false_leaf)
    index = np.arange(len(true_leaf))
    starts = pending < np.minimum.accumulate(np.concatenate([[0], pending[:-1]]))  # the last split of each tree
    roots = np.concatenate([[0], index[starts][:-1] + 1]) if len(index) else index
    shared = arrays[_SHARED].astype(np.int64)
    numbers = np.where(shared == 0, np.cumsum(shared == 0) - 1, shared - 1)
    leaves = np.empty_like(numbers)
    leaves[_leaf_order(true_leaf, false_leaf)] = numbers
    true, false = index + 1, ends + 1
    true[true_leaf], false[false_leaf] = np.split(leaves, [int(true_leaf.sum())])
    return {"tree_roots": roots, "nodes_truenodeids": true, "nodes_falsenodeids": false}


def _subtree_ends(true_leaf: Array, false_leaf: Array) -> tuple[Array, Array]:
    """Return, for each split, the number of splits pending after it, and the last split of its true child's subtree.

    The numbers are relative: each tree ends with a new minimum.
    """
    index = np.arange(len(true_leaf))
    pending = np.cumsum(1 - (true_leaf == 1).astype(np.int64) - (false_leaf == 1))
    # The true child's subtree ends at the first later split with one pending split less than after the parent.
    level = pending - pending.min(initial=0) + 1
    ordered = np.sort(level * len(index) + index)
    ends = index.copy()
    parents = index[true_leaf != 1]
    positions = np.searchsorted(ordered, (level[parents] - 1) * len(index) + parents)
    ends[parents] = ordered[np.minimum(positions, len(ordered) - 1)] % len(index)
    return pending, ends


def _leaf_order(true_leaf: Array, false_leaf: Array) -> Array:
    """Return the order of the leaves in preorder.

    Returns:
        Indices into the true leaves by split, followed by the false leaves by split.
    """
    _, ends = _subtree_ends(true_leaf, false_leaf)
    index = np.arange(len(true_leaf))
    at_true, at_false = index[true_leaf == 1], index[false_leaf == 1]
    splits = np.concatenate([at_true, at_false])
    behind = np.concatenate([at_true, ends[at_false]])
    is_false = np.repeat([0, 1], [len(at_true), len(at_false)])
    return np.lexsort((-splits, is_false, behind))
