"""Measurements after each epoch besides the losses: the plan's metric, and peak memory."""

from __future__ import annotations

import resource
import sys

import numpy as np
import torch
from torch import Tensor

from pipeline.contracts.signature import Signature
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.predictions import Predictions
from pipeline.training.algorithm import TrainingTask

__all__ = ["epoch_metric", "peak_memory_mb"]

_MAX_RANKED_CLASSES = 20  # with more, a metric that sorts the rows for each class takes too long for an epoch


def epoch_metric(task: TrainingTask, predictions: Tensor, target: Tensor) -> dict[str, float]:
    """Return the plan's metric on the validation rows, by name.

    Args:
        task: Task with the metric and the validation rows.
        predictions: Probabilities [rows, classes], or values [rows, 1 + quantiles].
        target: Class numbers or standardized values [rows].

    Returns:
        One metric; empty if it takes too long for an epoch, or a prediction is not finite.
    """
    if task.metric in ("auc", "average_precision") and task.classes > _MAX_RANKED_CLASSES:
        return {}
    classes = tuple(map(str, range(task.classes)))
    predicted, truth = predictions.float().cpu().numpy(), target.cpu().numpy()
    if not np.isfinite(predicted).all():
        return {}
    if not classes:
        predicted, truth = task.denormalize(predicted[:, 0]), task.denormalize_targets(truth)
    else:
        truth = np.array(classes, object)[truth]
    positive = classes[task.positive] if len(classes) == 2 else ""
    signature = Signature(task=task.kind, target="", columns=(), classes=classes, positive=positive)
    weight = task.validation.weight
    return measure(signature, truth, Predictions.of(signature, predicted), weight=weight, only=task.metric)


def peak_memory_mb(device: str) -> float:
    """Return the peak memory so far in MiB: of the GPU if the device is a GPU, else of this process."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes on macOS, KiB on Linux
