"""The loss of fine-tuning: a compressed body learns the original body's predictions and the truth.

This is the loss of distillation (Hinton et al. 2015, arXiv:1503.02531) at a temperature of 1, since a body outputs
probabilities, not logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.compression.training_rows import TrainingRows

__all__ = ["Objective"]

_TRUTH_WEIGHT = 0.5
_MIN_PROBABILITY = 1e-7

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """The loss of predictions against ``targets`` [rows, outputs]: mixtures of the teacher's predictions and the truth.

    Attributes:
        targets: Probabilities, or values in units of ``scale``.
        scale: Standard deviation of each output [outputs]; 1 for probabilities.
        kind: classes: cross-entropy over the outputs; labels: binary cross-entropy of each; values: squared error.
    """

    targets: Tensor
    scale: Tensor
    kind: str

    @classmethod
    def of(cls, teacher: Floats, rows: TrainingRows, *, several_labels: bool = False) -> Objective:
        """Mix the teacher's predictions for ``rows`` with the truth, if it is known.

        Args:
            teacher: Output of the teacher [rows, outputs] or [rows].
            rows: Rows that the teacher predicted, with the truth if it is known.
            several_labels: Whether each output is the probability of its own label (multi-label classification).
        """
        targets = teacher.reshape(len(teacher), -1).astype(np.float64)
        if not rows.classes and not several_labels:
            scale = np.maximum(targets.std(axis=0), 1e-12)
            if rows.target is not None:
                targets = (1 - _TRUTH_WEIGHT) * targets + _TRUTH_WEIGHT * rows.target[:, None]
            return cls(targets=_tensor(targets / scale), scale=_tensor(scale), kind="values")
        if rows.target is not None:
            targets = (1 - _TRUTH_WEIGHT) * targets + _TRUTH_WEIGHT * np.eye(targets.shape[1])[rows.target]
        kind = "labels" if several_labels else "classes"
        return cls(targets=_tensor(targets), scale=torch.ones(targets.shape[1]), kind=kind)

    def loss(
        self,
        predictions: Tensor,
        indices: npt.NDArray[np.int64],
        partners: npt.NDArray[np.int64] | None = None,
        mixing_weight: float = 1.0,
    ) -> Tensor:
        """Return the mean loss of predictions for some rows, a scalar.

        Args:
            predictions: [rows, outputs].
            indices: Indices of the rows.
            partners: Indices of the rows that they are mixed with; None: they are not mixed.
            mixing_weight: Weight of the rows themselves, 0 to 1; the partners have the rest.
        """
        targets = self.targets[torch.from_numpy(indices)]
        if partners is not None:
            targets = torch.lerp(self.targets[torch.from_numpy(partners)], targets, mixing_weight)
        predictions = predictions.reshape(len(targets), -1)
        if self.kind == "values":
            return (predictions / self.scale - targets).square().mean()
        likelihood = targets * predictions.clamp_min(_MIN_PROBABILITY).log()
        if self.kind == "labels":
            likelihood = likelihood + (1 - targets) * (1 - predictions).clamp_min(_MIN_PROBABILITY).log()
            return -likelihood.mean()
        return -likelihood.sum(dim=1).mean()


def _tensor(values: Floats) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
