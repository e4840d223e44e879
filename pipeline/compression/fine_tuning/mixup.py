"""Mixup: batches of rows between two rows, which are to be predicted as lying between them.

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
    """Return whether all inputs are numbers; between two texts there is none."""
    return all(values.dtype.kind in "fiub" for values in inputs.values())


def mix_inputs(
    rows: Inputs, partners: Inputs, mixing_weight: float, random: np.random.Generator
) -> dict[str, npt.NDArray[Any]]:
    """Return rows between two: numbers and pixels are weighted means, a category is that of one, drawn by the weight.

    A number that one of the two lacks is the first row's.

    Args:
        rows: Input -> values [rows, ...].
        partners: The same of the rows that they are mixed with.
        mixing_weight: The weight of ``rows``, 0 to 1.
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
