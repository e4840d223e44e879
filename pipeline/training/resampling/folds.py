"""Assign rows to folds: stratified, with groups of rows kept together, or by time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.training.algorithm import Rows

__all__ = ["Fold", "assign_cross_fitting_folds", "assign_folds", "make_folds", "separate_frequent"]

Folds = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_NEVER_HELD_OUT = -1
_STRATA = 10  # number of quantile strata of a regression target, if rows have groups
_FIRST_WINDOW = 0.5  # fraction of the rows, the earliest ones, that all folds by time train on


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """A fold.

    Args:
        train: Mask of the training rows [rows].
        held: Mask of the held-out rows [rows]. With folds by time, some rows are in neither mask.
    """

    train: Mask
    held: Mask


def make_folds(rows: Rows, classes: int, count: int, seed: int) -> list[Fold]:
    """Make folds of rows.

    Rows of one group are in one fold, and each class has a training row in every fold. Rows that are split by time get
    expanding windows: all folds train on the earliest half, and each holds out rows later than its training rows.

    Args:
        rows: Rows with their ``group`` or ``time``.
        classes: Number of classes; 0 for a regression.
        count: Number of folds.
        seed: Seed of the random order.

    Returns:
        ``count`` folds, or fewer if there are too few rows. No fold holds out all rows of a class.
    """
    if rows.time is not None:
        return list(_make_windows(rows, classes, count))
    folds = assign_folds(rows, classes, count, seed)
    return [Fold(train=folds != number, held=folds == number) for number in range(count) if (folds == number).any()]


def assign_folds(rows: Rows, classes: int, count: int, seed: int) -> Folds:
    """Assign each row to a fold as scikit-learn's StratifiedGroupKFold does: rows of one group share a fold.

    Strata are the classes, or the order of a regression's target.

    Args:
        rows: Rows with their ``group``.
        classes: Number of classes; 0 for a regression.
        count: Number of folds.
        seed: Seed of the random order.

    Returns:
        The fold of each row [rows]; -1 for rows that are never held out, since their class would have no training row.
    """
    random = np.random.default_rng(seed)
    group = _number_groups(rows.group)
    if group is None:
        folds = _assign_rows(rows.target, classes, count, random)
    else:
        strata = rows.target if classes else _rank_strata(rows.target)
        folds = _assign_groups(strata, group, count, random)
    return _keep_classes(folds, rows.target, group, count) if classes else folds


def assign_cross_fitting_folds(rows: Rows, classes: int, count: int, seed: int) -> Folds:
    """Assign each row to a fold for encodings that must not depend on the row's own target.

    Groups stay together, and strata are even: otherwise the mean target of the other folds would reveal the fold's own
    mean. Rows that are split by time get consecutive blocks of time.

    Args:
        rows: Rows with their ``group`` or ``time``.
        classes: Number of classes; 0 for a regression.
        count: Maximum number of folds.
        seed: Seed of the random order.

    Returns:
        The fold of each row [rows], from 0.
    """
    if rows.time is not None:
        present, blocks = np.unique(_number_blocks(rows.time, count), return_inverse=True)
        if len(present) > 1:
            return blocks.astype(np.int64)
    random = np.random.default_rng(seed)
    group = _number_groups(rows.group)
    if group is None or not group.any():  # one group of all rows cannot be split by group
        return random.permutation(len(rows)).astype(np.int64) % min(count, len(rows))
    strata = rows.target if classes else _rank_strata(rows.target)
    return np.unique(_assign_groups(strata, group, count, random), return_inverse=True)[1]


def separate_frequent(group: npt.NDArray[np.uint64], max_fraction: float) -> npt.NDArray[np.uint64]:
    """Split groups that are too large into single rows: rows that equal so many others are not duplicates of one row.

    Args:
        group: The group of each row [rows].
        max_fraction: Largest fraction of the rows that a group may have.

    Returns:
        The new group of each row [rows].
    """
    _, numbers, sizes = np.unique(group, return_inverse=True, return_counts=True)
    frequent = sizes[numbers] > max(1.0, max_fraction * len(group))
    return np.where(frequent, np.uint64(len(sizes)) + np.arange(len(group), dtype=np.uint64), numbers.astype(np.uint64))


def _number_groups(group: npt.NDArray[np.uint64] | None) -> Folds | None:
    """Return the groups as numbers from 0; None if each row is a group of its own."""
    if group is None:
        return None
    distinct, numbers = np.unique(group, return_inverse=True)
    return None if len(distinct) == len(group) else numbers


def _rank_strata(target: npt.NDArray[Any]) -> Folds:
    order = np.argsort(target, kind="stable")
    strata = np.empty(len(target), np.int64)
    strata[order] = np.arange(len(target)) * _STRATA // len(target)
    return strata


def _assign_rows(target: npt.NDArray[Any], classes: int, count: int, random: np.random.Generator) -> Folds:
    order = np.lexsort((random.random(len(target)), target))
    folds = np.empty(len(target), np.int64)
    if classes:
        folds[order] = np.arange(len(target)) % count
    else:  # rows with neighboring targets are distributed over the folds at random
        permuted = np.argsort(random.random((-(-len(target) // count), count)), axis=1).ravel()
        folds[order] = permuted[: len(target)]
    return folds


def _assign_groups(strata: Folds, group: Folds, count: int, random: np.random.Generator) -> Folds:
    """Assign groups, the largest first, so that strata stay as even as possible; then single rows, to even them out."""
    sizes = np.bincount(group)
    folds = np.full(len(strata), _NEVER_HELD_OUT, np.int64)
    rows_of_stratum = np.maximum(1, np.bincount(strata))
    load = np.zeros((count, len(rows_of_stratum)))
    shared = np.flatnonzero(sizes > 1)
    order = shared[np.lexsort((random.random(len(shared)), -sizes[shared]))]
    by_group = np.argsort(group, kind="stable")
    ends = np.cumsum(sizes)
    for number in order:
        rows = by_group[ends[number] - sizes[number] : ends[number]]
        present, counts = np.unique(strata[rows], return_counts=True)
        # Choose the fold whose sum of squared stratum fractions grows least; among ties, the one with the fewest rows.
        added = load[:, present] @ (counts / rows_of_stratum[present] ** 2)
        fold = int(np.lexsort((load.sum(axis=1), np.round(added, 12)))[0])
        folds[rows] = fold
        load[fold, present] += counts
    single = np.flatnonzero(sizes[group] == 1)
    single = single[np.lexsort((random.random(len(single)), strata[single]))]
    for stratum in np.unique(strata[single]):
        rows = single[strata[single] == stratum]
        added = _level(load[:, stratum], load.sum(axis=1), len(rows))
        folds[rows] = random.permutation(np.repeat(np.arange(count), added))
        load[:, stratum] += added
    return folds


def _level(load: npt.NDArray[np.float64], total: npt.NDArray[np.float64], rows: int) -> Folds:
    """Return how many of ``rows`` each fold gets, so that the folds' loads become as even as possible."""
    order = np.lexsort((total, load))
    ordered = load[order]
    filled = np.arange(1, len(load) + 1) * ordered - np.cumsum(ordered)  # k: rows that level folds 0 to k
    lowest = int(np.searchsorted(filled, rows, side="right"))
    height = (rows + ordered[:lowest].sum()) / lowest
    added = np.zeros(len(load), np.int64)
    added[order[:lowest]] = np.floor(np.maximum(0, height - ordered[:lowest]))
    added[order[: rows - int(added.sum())]] += 1
    return added


def _keep_classes(folds: Folds, target: npt.NDArray[Any], group: Folds | None, count: int) -> Folds:
    """Return the folds with -1 (never held out) for classes that are in one fold only, and for groups of their rows."""
    in_fold = np.bincount(target * count + folds, minlength=(int(target.max()) + 1) * count).reshape(-1, count)
    in_one_fold = in_fold == in_fold.sum(axis=1, keepdims=True)
    always = in_one_fold[target, folds]
    if group is not None:
        always = np.bincount(group, weights=always)[group] > 0
    return np.where(always, _NEVER_HELD_OUT, folds)


def _number_blocks(time: npt.NDArray[np.float64], count: int, first: float = 0.0) -> Folds:
    """Return each row's block of time, from 0; -1 for the earliest fraction ``first``. Equal times share a block."""
    ordered = np.sort(time)
    fractions = first + (1 - first) * np.arange(count) / count
    starts = ordered[np.floor(fractions * len(time)).astype(np.int64)]
    blocks: Folds = np.searchsorted(starts, time, side="right").astype(np.int64) - 1
    return blocks


def _make_windows(rows: Rows, classes: int, count: int) -> Iterator[Fold]:
    assert rows.time is not None, "asked for only where there are times"
    blocks = _number_blocks(rows.time, count, _FIRST_WINDOW)
    for number in range(count):
        train, held = blocks < number, blocks == number
        trained = len(np.unique(rows.target[train])) if classes else int(train.sum())
        if held.any() and trained >= max(1, classes):
            yield Fold(train=train, held=held)
