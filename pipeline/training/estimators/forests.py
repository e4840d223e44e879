"""Forests: trees that are grown independently, and whose predictions are averaged."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.contracts.algorithms.config import AlgorithmConfig, hyperparameter, search_range, search_values
from pipeline.contracts.algorithms.spec import AlgorithmSpec, Cost
from pipeline.training.algorithm import Algorithm, FittedModel, RunContext, TrainingTask
from pipeline.training.estimators.sklearn_model import class_columns, fitted_model
from pipeline.training.features.text_inputs import with_text_features

__all__ = ["MAX_FOREST_BYTES", "ForestConfig", "MaxDepth", "fit_forest", "forest_algorithm", "max_leaves"]

MAX_FOREST_BYTES = 20_000_000  # of a bag's ONNX file; deeper trees gain less accuracy than they cost load time
_BATCH_SECONDS = 1.0  # of a batch of trees, after which the clock is read
_MAX_ABSOLUTE_ROWS = 10_000
_BAG_MODELS = 5
_BYTES_PER_LEAF = 25  # as graphs.tree_ensemble writes a leaf and the split above it
_BYTES_PER_CLASS = 12  # additional bytes per leaf of more than two classes: measured with 3 to 30, at 1,000 leaves


MaxDepth = Annotated[
    int | None,
    hyperparameter("Maximum depth of a tree; null: unbounded.", unit="levels", ge=1, le=10_000),
    search_values(8, 12, 16, 24),
]


class ForestConfig(AlgorithmConfig):
    """Hyper-parameters of a forest."""

    n_estimators: Annotated[
        int, hyperparameter("Number of trees.", unit="trees", ge=1, le=10_000), search_values(100, 200, 400)
    ] = 100
    max_depth: MaxDepth = 16
    min_samples_leaf: Annotated[
        int,
        hyperparameter(
            "Minimum training rows of a leaf; 0: chosen by the number of rows.", unit="rows", ge=0, le=1_000_000_000
        ),
        search_range(1, 50, log=True, whole=True),
    ] = 0


ForestConfigT = TypeVar("ForestConfigT", bound=ForestConfig)


def forest_algorithm(  # noqa: PLR0913 - what they differ in, each by its name
    *,
    name: str,
    strengths: str,
    config: type[ForestConfigT],
    train: Callable[[ForestConfigT, TrainingTask, RunContext], FittedModel],
    cost: Cost,
    training_order: int,
    max_rows: int | None = None,
) -> Algorithm[ForestConfigT]:
    """Make the description of a forest.

    Args:
        name: Name of the algorithm.
        strengths: Reason that a plan gives for it.
        config: Class of its hyper-parameters.
        train: Trains a model.
        cost: Measured cost of a training.
        training_order: Position among the candidates of a job.
        max_rows: Training rows beyond which it is planned only if the spec names it; None: any number.
    """
    return Algorithm(
        config=config,
        spec=AlgorithmSpec(
            name=name,
            supported_inputs=("num", "cat"),
            strengths=strengths,
            hyperparameters=config.describe(),
            cost=cost,
            max_rows=max_rows,
            max_classes=100,  # each leaf has a number per class
            training_order=training_order,
        ),
        no_int8="trees compare columns with thresholds: there are no weight matrices to quantize",
        train=with_text_features(train),
    )


def fit_forest(  # noqa: PLR0913 - what they differ in, each by its name
    config: ForestConfig,
    task: TrainingTask,
    context: RunContext,
    *,
    family: Literal["ExtraTrees", "RandomForest"],
    min_leaf_rows: int,
    feature_fraction: float,
) -> FittedModel:
    """Fit a forest, until the deadline at most.

    Args:
        config: Hyper-parameters.
        task: The rows to fit.
        context: Threads and deadline.
        family: The beginning of the name of scikit-learn's classes.
        min_leaf_rows: Minimum of rows in a leaf for small data, if the settings have none.
        feature_fraction: Fraction of the columns that a split of a regression considers; a classification considers
            the square root of their number.
    """
    from sklearn import ensemble

    from pipeline.training.export.bodies import TreeBody
    from pipeline.training.export.forest_trees import forest_trees
    from pipeline.training.features.preprocessing import forest_features

    preprocessing, features = forest_features(task)
    criterion = {} if task.classes else {"criterion": _criterion(task)}
    model = getattr(ensemble, f"{family}{'Classifier' if task.classes else 'Regressor'}")(
        n_estimators=config.n_estimators,
        max_depth=config.max_depth,
        min_samples_leaf=config.min_samples_leaf or max(min_leaf_rows, len(task.train) // 5_000),
        max_leaf_nodes=max_leaves(config.n_estimators, task.classes),
        max_features="sqrt" if task.classes else feature_fraction,
        n_jobs=context.threads,
        random_state=task.seed,
        warm_start=True,
        **criterion,
    )
    notes = _grow(model, features, task, context)
    body = TreeBody(
        preprocessing=preprocessing,
        read=partial(forest_trees, model.estimators_, classes=task.classes, columns=class_columns(model, task.classes)),
        classes=task.classes,
        link="none",
    )
    return fitted_model(model, preprocessing, task, body=body, notes=notes)


def _criterion(task: TrainingTask) -> str:
    """Return the split criterion; absolute errors take 3 to 20 times as long as squared ones, so only few rows do."""
    absolute = task.loss in ("absolute_error", "relative_error") and len(task.train) <= _MAX_ABSOLUTE_ROWS
    return "absolute_error" if absolute else "squared_error"


def _grow(model: Any, features: npt.NDArray[np.float32], task: TrainingTask, context: RunContext) -> tuple[str, ...]:
    """Fit a forest in batches of trees until the deadline; return a note if it has fewer trees than planned.

    The trees equal those of one fit: with warm_start, scikit-learn draws the same seeds as without batches.
    """
    planned, trees, batch = model.n_estimators, 0, max(1, context.threads)
    if context.deadline == math.inf:
        batch = planned
    while trees < planned:
        started = time.monotonic()
        added = min(batch, planned - trees)
        model.set_params(n_estimators=trees + added)
        model.fit(features, task.train.target, sample_weight=task.loss_weight(task.train))
        trees += added
        now = time.monotonic()
        seconds_per_tree = (now - started) / added
        left = min(_BATCH_SECONDS, context.deadline - now)
        batch = max(1, context.threads) * max(1, int(left / (seconds_per_tree * max(1, context.threads))))
        if trees < planned and now + seconds_per_tree * max(1, context.threads) > context.deadline:
            return (f"training time ran out after {trees} of {planned} trees",)
    return ()


def max_leaves(trees: int, classes: int) -> int:
    """Return the number of leaves that a tree may have, so that a bag's file stays below MAX_FOREST_BYTES."""
    leaf = _BYTES_PER_LEAF + (_BYTES_PER_CLASS * classes if classes > 2 else 0)
    return max(8, MAX_FOREST_BYTES // (_BAG_MODELS * trees * leaf))
