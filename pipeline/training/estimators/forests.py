"""Forests: trees that are grown apart, and answer with their mean."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.algorithm_spec import AlgorithmSpec, Allowed, Cost, Range
from pipeline.training.algorithm import FittedModel, Problem, Recipe, Settings
from pipeline.training.estimators.sklearn_model import class_columns, fitted_model
from pipeline.training.features.text_inputs import with_text_features

__all__ = ["MAX_FOREST_BYTES", "fit_forest", "forest_recipe", "max_leaves"]

MAX_FOREST_BYTES = 20_000_000  # of a bag's ONNX file; deeper trees gain less than they cost to load
_BATCH_SECONDS = 1.0  # of trees, between two looks at the clock
_MAX_ABSOLUTE_ROWS = 10_000
_BAG_MODELS = 5
_BYTES_PER_LEAF = 25  # as export.tree_ensemble writes a leaf and the split above it
_BYTES_PER_CLASS = 12  # more, of more than two classes: measured with 3 to 30 of them, at 1,000 leaves


def forest_recipe(  # noqa: PLR0913 - what they differ in, each by its name
    *,
    name: str,
    good_at: str,
    train: Callable[[Settings, Problem], FittedModel],
    max_depth: int,
    cost: Cost,
    turn: int,
    most_rows: int | None = None,
) -> Recipe:
    """Declare a forest.

    Args:
        name: Of the algorithm.
        good_at: The reason that a plan gives for it.
        train: Trains it.
        max_depth: Of a tree, by default.
        cost: As measured.
        turn: Its place among a job's candidates.
        most_rows: More take it only when it is asked for by name; None: any number.
    """
    return Recipe(
        declares=AlgorithmSpec(
            name=name,
            tasks=("classification", "regression"),
            reads=("num", "cat"),
            needs="cpu",
            good_at=good_at,
            # min_samples_leaf 0: by the rows, so that the file stays at some megabytes
            defaults={"n_estimators": 100, "max_depth": max_depth, "min_samples_leaf": 0},
            allowed={
                "n_estimators": Allowed(minimum=1, maximum=10_000, whole=True),
                "max_depth": Allowed(minimum=1, maximum=10_000, whole=True),
                "min_samples_leaf": Allowed(minimum=0, maximum=1_000_000_000, whole=True),
            },
            space={
                "n_estimators": (100, 200, 400),
                "max_depth": (8, 12, 16, 24),
                "min_samples_leaf": Range(low=1, high=50, log=True, whole=True),
            },
            unbounded=("max_depth",),
            cost=cost,
            most_rows=most_rows,
            most_classes=100,  # a number a class in each leaf: size goes with classes
            turn=turn,
        ),
        no_int8="trees compare columns with thresholds: there are no weight matrices to quantize",
        tolerance=1e-4,  # hundreds of float32 shares are summed
        train=with_text_features(train),
    )


def fit_forest(
    kind: Any, settings: Settings, problem: Problem, *, min_leaf_rows: int, feature_fraction: float
) -> FittedModel:
    """Fit a forest.

    Args:
        kind: scikit-learn's class.
        settings: Hyper-parameters.
        problem: The rows to fit.
        min_leaf_rows: Minimum of rows in a leaf for small data, if the settings have none.
        feature_fraction: Fraction of the columns that a split of a regression considers; a classification considers
            their square root.
    """
    from pipeline.training.export.bodies import TreeBody
    from pipeline.training.export.tree_ensemble import forest_trees
    from pipeline.training.features.preprocessing import forest_features

    preprocessing, features = forest_features(problem)
    criterion = {} if problem.classes else {"criterion": _criterion(problem)}
    model = kind(
        n_estimators=settings["n_estimators"],
        max_depth=settings["max_depth"],
        min_samples_leaf=settings["min_samples_leaf"] or max(min_leaf_rows, len(problem.train) // 5_000),
        max_leaf_nodes=max_leaves(settings["n_estimators"], problem.classes),
        max_features="sqrt" if problem.classes else feature_fraction,
        n_jobs=problem.threads,
        random_state=problem.seed,
        warm_start=True,
        **criterion,
    )
    notes = _grow(model, features, problem)
    body = TreeBody(
        preprocessing=preprocessing,
        read=lambda: forest_trees(
            model.estimators_,
            classes=problem.classes,
            columns=class_columns(model.classes_, problem.classes) if problem.classes else None,
        ),
        classes=problem.classes,
        link="none",
    )
    return fitted_model(model, preprocessing, problem, body=body, notes=notes)


def _criterion(problem: Problem) -> str:
    """Absolute errors take a forest 3 to 20 times as long as squared ones: few rows have the time."""
    absolute = problem.loss in ("absolute_error", "relative_error") and len(problem.train) <= _MAX_ABSOLUTE_ROWS
    return "absolute_error" if absolute else "squared_error"


def _grow(model: Any, features: npt.NDArray[np.float32], problem: Problem) -> tuple[str, ...]:
    """Fit a forest a batch of trees after the other until the deadline; a note where it has fewer than planned.

    The trees are those of one fit: with warm_start scikit-learn draws their seeds as if there had been no batches.
    """
    planned, trees, batch = model.n_estimators, 0, max(1, problem.threads)
    if problem.deadline == math.inf:
        batch = planned
    while trees < planned:
        started = time.monotonic()
        added = min(batch, planned - trees)
        model.set_params(n_estimators=trees + added)
        model.fit(features, problem.train.target, sample_weight=problem.loss_weight(problem.train))
        trees += added
        now = time.monotonic()
        seconds_per_tree = (now - started) / added
        left = min(_BATCH_SECONDS, problem.deadline - now)
        batch = max(1, problem.threads) * max(1, int(left / (seconds_per_tree * max(1, problem.threads))))
        if trees < planned and now + seconds_per_tree * max(1, problem.threads) > problem.deadline:
            return (f"training time ran out after {trees} of {planned} trees",)
    return ()


def max_leaves(trees: int, classes: int) -> int:
    """How many leaves a tree may have."""
    leaf = _BYTES_PER_LEAF + (_BYTES_PER_CLASS * classes if classes > 2 else 0)
    return max(8, MAX_FOREST_BYTES // (_BAG_MODELS * trees * leaf))
