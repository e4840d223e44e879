"""Forests: trees that are grown apart, and answer with their mean."""

from __future__ import annotations

from typing import Any

from pipeline.training.algorithm import FittedModel, Problem, Settings
from pipeline.training.estimators.sklearn_model import fitted_model

__all__ = ["MAX_FOREST_BYTES", "fit_forest", "most_leaves"]

MAX_FOREST_BYTES = 10_000_000  # what the ONNX file may come to; deeper trees gain less than they cost to load
_BYTES_PER_LEAF, _BYTES_PER_LEAF_AND_CLASS = 60, 14  # as skl2onnx writes a leaf and the split above it


def fit_forest(kind: Any, settings: Settings, problem: Problem, *, least: int, share: float) -> FittedModel:
    """``kind``: scikit-learn's class. ``least``: rows in a leaf, where few train and the settings do not say.

    ``share`` of the columns that a split of a regression chooses from; of a classification it is their square root.
    """
    from pipeline.training.features.preprocessing import forest_features

    preprocessing, features = forest_features(problem)
    model = kind(
        n_estimators=settings["n_estimators"],
        max_depth=settings["max_depth"],
        min_samples_leaf=settings["min_samples_leaf"] or max(least, len(problem.train) // 5_000),
        max_leaf_nodes=most_leaves(settings["n_estimators"], problem.classes),
        max_features="sqrt" if problem.classes else share,
        n_jobs=problem.threads,
        random_state=problem.seed,
    )
    model.fit(features, problem.train.target, sample_weight=problem.train.weight)
    return fitted_model(model, preprocessing, problem)


def most_leaves(trees: int, classes: int) -> int:
    """How many leaves a tree may have."""
    return max(8, MAX_FOREST_BYTES // (trees * (_BYTES_PER_LEAF + _BYTES_PER_LEAF_AND_CLASS * max(1, classes))))
