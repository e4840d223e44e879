"""What is told of a network while it learns."""

from __future__ import annotations

import resource
import sys

import numpy as np
import torch
from torch import Tensor

from pipeline.contracts.signature import Signature
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.predictions import Answers
from pipeline.training.algorithm import Problem

__all__ = ["epoch_metric", "memory_mb"]

_MOST_AREAS = 20  # classes, each of which sorts the rows, that an epoch has time for


def epoch_metric(problem: Problem, answers: Tensor, target: Tensor) -> dict[str, float]:
    """The plan's metric of the validation rows by its name: of probabilities [rows, classes] or values [rows, ...]."""
    if problem.metric in ("auc", "average_precision") and problem.classes > _MOST_AREAS:
        return {}
    classes = tuple(map(str, range(problem.classes)))
    found, truth = answers.float().cpu().numpy(), target.cpu().numpy()
    if not np.isfinite(found).all():
        return {}
    if not classes:
        found, truth = problem.denormalize(found[:, 0]), problem.learned_values(truth)
    else:
        truth = np.array(classes, object)[truth]
    positive = classes[problem.positive] if len(classes) == 2 else ""
    signature = Signature(task=problem.task, target="", columns=(), classes=classes, positive=positive)
    weight = problem.validation.weight
    return measure(signature, truth, Answers.of(signature, found), weight=weight, only=problem.metric)


def memory_mb(device: str) -> float:
    """The most that was in use so far: of the GPU, or of this process."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB on Linux
