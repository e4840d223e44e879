"""Mixup: training on interpolations of two rows, with interpolated targets.

Source: Zhang et al. 2018, mixup: Beyond Empirical Risk Minimization (arXiv:1710.09412).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["can_mix", "mix_inputs"]

Inputs = Mapping[str, npt.NDArray[Any]]


def can_mix(inputs: Inputs) -> bool:
    """Return whether all inputs are numbers; texts cannot be interpolated."""
    return all(values.dtype.kind in "fiub" for values in inputs.values())


def mix_inputs(
    rows: Inputs, partners: Inputs, mixing_weight: float, random: np.random.Generator
) -> dict[str, npt.NDArray[Any]]:
    """Mix rows: numbers and pixels become weighted means, a category is drawn from one of the two rows by weight.

    Where a number is NaN in one of the two rows, the result is the value of ``rows``.

    Args:
        rows: Input -> values [rows, ...].
        partners: The same inputs of the rows to mix with.
        mixing_weight: Weight of ``rows``, 0 to 1.
        random: Draws the categories.
    """
    return {name: _mix(values, partners[name], mixing_weight, random) for name, values in rows.items()}


def _mix(
    values: npt.NDArray[Any], partners: npt.NDArray[Any], mixing_weight: float, random: np.random.Generator
) -> npt.NDArray[Any]:
    if values.dtype == np.uint8:  # pixels
        pixels: npt.NDArray[Any] = np.rint(
            mixing_weight * values + (1 - mixing_weight) * partners.astype(np.float32)
        ).astype(np.uint8)
        return pixels
    if values.dtype.kind != "f":
        return np.where(random.random(values.shape) < mixing_weight, values, partners)
    mixed = mixing_weight * values + (1 - mixing_weight) * partners
    return np.where(np.isnan(mixed), values, mixed).astype(values.dtype)
