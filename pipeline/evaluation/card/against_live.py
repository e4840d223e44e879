"""Compare the winner with the live version, on the same test rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from pipeline.contracts.promotion.live_comparison import LiveComparison
from pipeline.contracts.signature import Signature
from pipeline.evaluation.holdout import HoldoutEvaluation
from pipeline.evaluation.metrics import gain_interval, measure
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.scoring import OnnxModel, feeds

__all__ = ["LiveModel", "compare_with_live"]


@dataclass(frozen=True, slots=True)
class LiveModel:
    """The live version of a model.

    Args:
        version: Number of the version.
        signature: Columns and outputs of the model.
        file: Content of the ONNX file.
    """

    version: int
    signature: Signature
    file: bytes


def compare_with_live(evaluation: HoldoutEvaluation, live: LiveModel) -> LiveComparison:
    """Measure the live version on the rows of an evaluation, and the interval of the winner's gain.

    If the live version was trained on some of the rows, its quality is overstated, and the comparison favors it.

    Args:
        evaluation: The winner on the test rows.
        live: The live version.

    Returns:
        The comparison; with ``problem`` if the live version has another task or target, does not know a class of the
        rows, or reads columns that the rows do not have.
    """
    new, old, metric = evaluation.signature, live.signature, evaluation.metric
    problem = _problem(new, old)
    if not problem:
        try:
            predictions = OnnxModel(live.file).run(feeds(evaluation.test, old))
        except (pl.exceptions.PolarsError, ValueError, TypeError) as error:
            problem = f"it reads different columns ({type(error).__name__})"
    if problem:
        return LiveComparison(version=live.version, problem=problem)
    aligned = _align_classes(predictions, old, new)
    quality = measure(new, evaluation.truth, aligned, weight=evaluation.weight, only=metric)[metric]
    return LiveComparison(
        version=live.version,
        metric=metric,
        rows=evaluation.test.height,
        new=evaluation.quality[metric],
        live=quality,
        gain=evaluation.sign * (evaluation.quality[metric] - quality),
        interval=gain_interval(
            new,
            evaluation.truth,
            evaluation.predictions,
            aligned,
            metric=metric,
            weight=evaluation.weight,
        ),
    )


def _problem(new: Signature, old: Signature) -> str:
    if new.task == "clustering":
        return "clusters have no labels to compare with"
    if (new.task, new.target_columns) != (old.task, old.target_columns):
        return "its task or target differs"
    if new.targets and set(new.classes) != set(old.classes):
        return "its labels differ"
    return ""


def _align_classes(predictions: Predictions, old: Signature, new: Signature) -> Predictions:
    """Return predictions with the probabilities in the order of ``new``'s classes; 0 for classes that ``old`` lacks."""
    if not new.classes or old.classes == new.classes:
        return predictions
    column = {label: index for index, label in enumerate(old.classes)}
    aligned = np.zeros((len(predictions.probabilities), len(new.classes)), predictions.probabilities.dtype)
    for index, label in enumerate(new.classes):
        if label in column:
            aligned[:, index] = predictions.probabilities[:, column[label]]
    return replace(predictions, probabilities=aligned)
