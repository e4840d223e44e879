"""Make synthetic rows for a student to learn from, besides the training rows; the teacher predicts their targets.

A teacher's predictions for its own training rows contain little more than their labels. Each new row combines two rows:
some columns come from a second row (Bucila, Caruana and Niculescu-Mizil 2006), or all values are between both rows
(mixup, Zhang et al. 2018).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.contracts.spec.sections import Distillation
from pipeline.training.algorithm import Rows

__all__ = ["add_new_rows"]

_SWAP_PROBABILITY = 0.3  # probability that a value of a new row comes from the second row
_MAX_ROWS = 150_000  # maximum number of rows that a student learns from


def add_new_rows(rows: Rows, settings: Distillation, *, seed: int) -> tuple[Rows, npt.NDArray[np.int64]]:
    """Return rows followed by new ones; a new row has the target and weight of the first row that it is made from.

    Args:
        rows: Rows that the teacher has learned from; only their numbers and categories are changed.
        settings: Number of new rows per row, and how they are made.
        seed: Seed of all random numbers.

    Returns:
        At most 150,000 rows, and the indices in ``rows`` of the original ones among them, which come first.
    """
    random = np.random.default_rng(seed)
    first = random.permutation(len(rows))[: _MAX_ROWS // (1 + settings.copies)]
    sources = rows.take(first)
    all_rows = sources
    for _ in range(settings.copies):
        partners = rows.take(random.permutation(len(rows))[: len(first)])
        new = _mix(sources, partners, settings.mixup, random) if settings.mixup else _swap(sources, partners, random)
        all_rows = all_rows.concat(new)
    return all_rows, first


def _swap(rows: Rows, partners: Rows, random: np.random.Generator) -> Rows:
    swapped = random.random((2, len(rows), max(rows.num.shape[1], rows.cat.shape[1]))) < _SWAP_PROBABILITY
    return replace(
        rows,
        num=np.where(swapped[0, :, : rows.num.shape[1]], partners.num, rows.num),
        cat=np.where(swapped[1, :, : rows.cat.shape[1]], partners.cat, rows.cat),
    )


def _mix(rows: Rows, partners: Rows, alpha: float, random: np.random.Generator) -> Rows:
    """Mix pairs of rows: a number becomes the weighted mean, a category comes from one row, drawn by the weight.

    If a number is missing in one of the two rows, the first row's number is used, which may be the missing one.
    """
    mixing_weights = random.beta(alpha, alpha, (len(rows), 1))
    num = mixing_weights * rows.num + (1 - mixing_weights) * partners.num
    return replace(
        rows,
        num=np.where(np.isnan(num), rows.num, num).astype(np.float32),
        cat=np.where(random.random(rows.cat.shape) < mixing_weights, rows.cat, partners.cat),
    )
