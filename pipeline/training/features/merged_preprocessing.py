"""Merge the preprocessing of several models, so that features that they share are computed once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.training.features.pair_rotation import RotatedPairs
from pipeline.training.features.preprocessing import Preprocessing

__all__ = ["MergedPreprocessing", "merge_preprocessing"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class MergedPreprocessing:
    """The merged preprocessing of several models.

    Args:
        features: Computes each distinct feature of all models once.
        feature_indices: For each model, the indices of its features among the merged ones, in the model's order.
    """

    features: Preprocessing
    feature_indices: tuple[Ints, ...]


def merge_preprocessing(models: Sequence[Preprocessing]) -> MergedPreprocessing:
    """Merge the preprocessing of models that read the same columns, such as the fold models of a bag."""
    first = models[0]
    numeric = len(first.fill) if first.numeric is None else first.numeric
    sources = [np.arange(len(model.fill)) if model.columns is None else model.columns for model in models]

    numbers = _Distinct.of(_number_keys(model, source) for model, source in zip(models, sources, strict=True))
    columns = np.array([key[0] for key in numbers.keys], np.int64)  # type: ignore[index]
    flags = _Distinct.of(
        source[model.missing_indicators].tolist() for model, source in zip(models, sources, strict=True)
    )
    number_of_column = {int(column): number for number, column in enumerate(columns)}
    rotated = [_rotations(model, indices) for model, indices in zip(models, numbers.indices, strict=True)]
    rotations = _Distinct.of(_rotation_keys(pairs) for pairs in rotated)
    categories = _Distinct.of(map(tuple, model.one_hot.tolist()) for model in models)
    codes = _Distinct.of((code.tobytes() for code in model.id_encodings.T) for model in models)

    merged = Preprocessing(
        fill=_distinct_rows([model.fill for model in models], numbers),
        center=_distinct_rows([model.center for model in models], numbers),
        missing_indicators=np.array([number_of_column[column] for column in flags.keys], np.int64),  # type: ignore[index]
        id_encodings=_distinct_rows([model.id_encodings.T for model in models], codes).T,
        cardinalities=first.cardinalities,
        one_hot=np.array(categories.keys, np.int64).reshape(-1, 2),
        rotated_pairs=_merge_rotations(rotated, rotations),
        columns=None if np.array_equal(columns, np.arange(numeric)) else columns,
        numeric=numeric,
    )
    kinds = (numbers, flags, rotations, categories)
    groups = [
        _offset_indices([kind.indices[index] for kind in kinds], [len(kind.keys) for kind in kinds])
        for index in range(len(models))
    ]
    starts = merged.encoding_offset + np.arange(len(first.cardinalities)) * len(codes.keys)
    code_features = [(starts[:, None] + code_indices).ravel() for code_indices in codes.indices]
    feature_indices = tuple(np.concatenate(pair) for pair in zip(groups, code_features, strict=True))
    return MergedPreprocessing(features=merged, feature_indices=feature_indices)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Distinct:
    """The distinct features of one kind in several models.

    Args:
        keys: Key of each distinct feature.
        origin: Model that each distinct feature is taken from, and its index in that model.
        indices: For each model, the indices of its features among the distinct ones.
    """

    keys: list[Hashable]
    origin: list[tuple[int, int]]
    indices: list[Ints]

    @classmethod
    def of(cls, models: Iterable[Iterable[Hashable]]) -> _Distinct:
        number_of_key: dict[Hashable, int] = {}
        origin: list[tuple[int, int]] = []
        indices = []
        for model, keys in enumerate(models):
            numbers = []
            for index, key in enumerate(keys):
                if key not in number_of_key:
                    number_of_key[key] = len(number_of_key)
                    origin.append((model, index))
                numbers.append(number_of_key[key])
            indices.append(np.array(numbers, np.int64))
        return cls(keys=list(number_of_key), origin=origin, indices=indices)


def _distinct_rows(arrays: Sequence[npt.NDArray[np.float32]], distinct: _Distinct) -> npt.NDArray[np.float32]:
    """Return the rows of the distinct features, each from the array of its model."""
    rows = [arrays[model][index] for model, index in distinct.origin]
    return np.array(rows, np.float32).reshape(len(rows), *arrays[0].shape[1:])


def _number_keys(model: Preprocessing, source: Ints) -> list[Hashable]:
    """Return a key of each number: its column, and the bits of fill and center, since NaN is not equal to itself."""
    bits = np.stack([model.fill, model.center], axis=1).astype(np.float32).view(np.uint64)[:, 0]
    return list(zip(source.tolist(), bits.tolist(), strict=True))


def _rotations(model: Preprocessing, number_indices: Ints) -> RotatedPairs | None:
    """Return a model's rotations with the indices of the merged numbers."""
    pairs = model.rotated_pairs
    if not pairs:
        return None
    return replace(pairs, left=number_indices[pairs.left], right=number_indices[pairs.right])


def _rotation_keys(pairs: RotatedPairs | None) -> list[Hashable]:
    if pairs is None:
        return []
    return [
        (left, right, *center, *weight)
        for left, right, center, weight in zip(
            pairs.left.tolist(), pairs.right.tolist(), pairs.center.tolist(), pairs.weight.tolist(), strict=True
        )
    ]


def _merge_rotations(rotated: Sequence[RotatedPairs | None], distinct: _Distinct) -> RotatedPairs | None:
    if not distinct.keys:
        return None
    sources = [(pairs, index) for model, index in distinct.origin if (pairs := rotated[model]) is not None]
    return RotatedPairs(
        left=np.array([pairs.left[index] for pairs, index in sources]),
        right=np.array([pairs.right[index] for pairs, index in sources]),
        center=np.stack([pairs.center[index] for pairs, index in sources]),
        weight=np.stack([pairs.weight[index] for pairs, index in sources]),
    )


def _offset_indices(indices_of_kinds: Sequence[Ints], counts: Sequence[int]) -> Ints:
    """Concatenate the indices of several kinds of features, whose columns follow one another."""
    starts = np.cumsum([0, *counts])[:-1]
    return np.concatenate([indices + start for indices, start in zip(indices_of_kinds, starts, strict=True)])
