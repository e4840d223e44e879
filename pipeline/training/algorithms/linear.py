"""Logistic regression, or ridge regression: the baseline that every other candidate must beat."""

from __future__ import annotations

from typing import Annotated

from pipeline.contracts.algorithms.config import AlgorithmConfig, hyperparameter, search_range
from pipeline.contracts.algorithms.spec import AlgorithmSpec, Cost
from pipeline.training.algorithm import Algorithm, FittedModel, RunContext, TrainingTask
from pipeline.training.estimators.sklearn_model import fitted_model
from pipeline.training.features.text_inputs import with_text_features

__all__ = ["ALGORITHM", "LinearConfig"]

_HUBER_EPSILON = 1.01  # in standard deviations; scikit-learn requires at least 1


class LinearConfig(AlgorithmConfig):
    """Hyper-parameters of the linear models."""

    max_iter: Annotated[int, hyperparameter("Maximum iterations of the solver.", ge=1, le=1_000_000)] = 200
    C: Annotated[
        float,
        hyperparameter("Inverse of the L2 penalty of the logistic regression.", task="classification", gt=0, le=1e10),
        search_range(1e-3, 1e2, log=True),
    ] = 1.0
    alpha: Annotated[
        float,
        hyperparameter("L2 penalty of the ridge or Huber regression.", task="regression", ge=0, le=1e10),
        search_range(1e-3, 1e3, log=True),
    ] = 1.0


def _train(config: LinearConfig, task: TrainingTask, context: RunContext) -> FittedModel:
    """Fit logistic, ridge or Huber regression to standardized numbers and one-hot categories.

    A missing number becomes the median and a flag.
    """
    from sklearn.linear_model import HuberRegressor, LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline

    from pipeline.training.estimators.linear_models import fit_iteratively, fit_on_rows_in_time
    from pipeline.training.export.linear_body import LinearBody
    from pipeline.training.features.preprocessing import linear_features, scaled_and_one_hot

    preprocessing, features = linear_features(task)
    columns = scaled_and_one_hot(preprocessing)
    matrix = columns.fit_transform(features)
    max_iter = config.max_iter
    if task.classes:
        model = LogisticRegression(C=config.C, max_iter=max_iter)
        notes = fit_iteratively(model, matrix, task, context)
    elif task.loss in ("absolute_error", "relative_error"):
        # Only the smallest errors count quadratically: within 0.01 % of quantile regression, and 100 times as fast.
        model = HuberRegressor(epsilon=_HUBER_EPSILON, alpha=config.alpha, max_iter=max_iter)
        notes = fit_iteratively(model, matrix, task, context)
    else:
        model = Ridge(alpha=config.alpha, max_iter=max_iter)
        notes = fit_on_rows_in_time(model, matrix, task, context)
    body = LinearBody.of(columns, model, preprocessing, task.classes)
    return fitted_model(make_pipeline(columns, model), preprocessing, task, notes=notes, body=body)


ALGORITHM = Algorithm(
    config=LinearConfig,
    spec=AlgorithmSpec(
        name="linear",
        supported_inputs=("num", "cat"),
        strengths="as the baseline; small and fast",
        hyperparameters=LinearConfig.describe(),
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, tables of 2,000 to 60,000 rows",
            seconds=1,
            seconds_per_million_cells=5,
            each_class=True,
            bytes=5_000,
            latency_us=20,
        ),
        max_classes=1000,
        max_weights=5_000_000,
        training_order=10,
    ),
    no_int8="a linear model is one small matrix, and integer operators would add more than it saves",
    train=with_text_features(_train),
)
