"""Forests: averages of independently grown trees."""

from __future__ import annotations

import math
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

MAX_FOREST_BYTES = 20_000_000  # bytes of a bag's ONNX file; larger trees take load time for little accuracy
_BATCH_SECONDS = 1.0  # target duration of a batch of trees, after which the deadline is checked
_MAX_ABSOLUTE_ROWS = 10_000  # training rows up to which trees minimize absolute errors
_BAG_MODELS = 5
_BYTES_PER_LEAF = 25  # ONNX bytes of a leaf and the split above it (graphs.tree_ensemble)
_BYTES_PER_CLASS = 12  # additional bytes per leaf and class; measured with 3 to 30 classes and 1,000 leaves


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


def forest_algorithm(  # noqa: PLR0913 - the differences between the forests, keyword-only
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
        strengths: Reason that a plan gives for the algorithm.
        config: Class of the hyper-parameters.
        train: Trains a model.
        cost: Measured cost of a training.
        training_order: Sort key of the candidates of a job: lower ones are trained first.
        max_rows: With more training rows, the algorithm is planned only if the spec names it; None: no limit.
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


def fit_forest(  # noqa: PLR0913 - the differences between the forests, keyword-only
    config: ForestConfig,
    task: TrainingTask,
    context: RunContext,
    *,
    family: Literal["ExtraTrees", "RandomForest"],
    min_leaf_rows: int,
    feature_fraction: float,
) -> FittedModel:
    """Fit a forest; at the deadline, it has the trees grown so far.

    Args:
        config: Hyper-parameters.
        task: Task with the training rows.
        context: Threads and deadline.
        family: Prefix of the names of scikit-learn's classes.
        min_leaf_rows: Minimum rows of a leaf for small data, if ``config.min_samples_leaf`` is 0.
        feature_fraction: Fraction of the features that a split of a regression considers; for a classification, it is
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
    """Return the split criterion; absolute errors take 3 to 20 times as long, so only up to 10,000 rows use them."""
    absolute = task.loss in ("absolute_error", "relative_error") and len(task.train) <= _MAX_ABSOLUTE_ROWS
    return "absolute_error" if absolute else "squared_error"


def _grow(model: Any, features: npt.NDArray[np.float32], task: TrainingTask, context: RunContext) -> tuple[str, ...]:
    """Fit a forest in batches of trees until the deadline; return a note if it has fewer trees than planned.

    The trees are the same as without batches, since scikit-learn draws the same seeds with ``warm_start``.
    """
    planned, trees, batch = model.n_estimators, 0, max(1, context.threads)
    if context.deadline == math.inf:
        batch = planned
    while trees < planned:
        started = context.clock()
        added = min(batch, planned - trees)
        model.set_params(n_estimators=trees + added)
        model.fit(features, task.train.target, sample_weight=task.loss_weight(task.train))
        trees += added
        now = context.clock()
        seconds_per_tree = (now - started) / added
        left = min(_BATCH_SECONDS, context.deadline - now)
        batch = max(1, context.threads) * max(1, int(left / (seconds_per_tree * max(1, context.threads))))
        if trees < planned and now + seconds_per_tree * max(1, context.threads) > context.deadline:
            return (f"training time ran out after {trees} of {planned} trees",)
    return ()


def max_leaves(trees: int, classes: int) -> int:
    """Return the maximum leaves of a tree, so that a bag's file stays below MAX_FOREST_BYTES."""
    leaf = _BYTES_PER_LEAF + (_BYTES_PER_CLASS * classes if classes > 2 else 0)
    return max(8, MAX_FOREST_BYTES // (_BAG_MODELS * trees * leaf))
