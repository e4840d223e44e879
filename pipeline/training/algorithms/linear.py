"""Logistic regression, or ridge regression: the baseline that every other candidate must beat."""

from __future__ import annotations

from pipeline.contracts.algorithm_spec import Allowed, Cost, Range
from pipeline.training.algorithm import AlgorithmSpec, FittedModel, Problem, Recipe, Settings
from pipeline.training.estimators.sklearn_model import fitted_model
from pipeline.training.features.text_inputs import with_text_features

__all__ = ["RECIPE"]

_ABSOLUTE_BEYOND = 1.01  # standard deviations; scikit-learn takes nothing below 1


def _train(settings: Settings, problem: Problem) -> FittedModel:
    """Numbers scaled to unit variance, categories one-hot; what is missing is the median and a flag."""
    from sklearn.linear_model import HuberRegressor, LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline

    from pipeline.training.estimators.linear_models import fit_iteratively, fit_on_rows_in_time
    from pipeline.training.export.linear_body import LinearBody
    from pipeline.training.features.preprocessing import linear_features, scaled_and_one_hot

    preprocessing, features = linear_features(problem)
    columns = scaled_and_one_hot(preprocessing)
    matrix = columns.fit_transform(features)
    target, weight, deadline = problem.train.target, problem.loss_weight(problem.train), problem.deadline
    max_iter = settings["max_iter"]
    if problem.classes:
        model = LogisticRegression(C=settings["C"], max_iter=max_iter)
        notes = fit_iteratively(model, matrix, target, weight, deadline)
    elif problem.loss in ("absolute_error", "relative_error"):
        # Absolute but for the smallest errors: within 0.01 % of quantile regression, in a hundredth of its time.
        model = HuberRegressor(epsilon=_ABSOLUTE_BEYOND, alpha=settings["alpha"], max_iter=max_iter)
        notes = fit_iteratively(model, matrix, target, weight, deadline)
    else:
        model = Ridge(alpha=settings["alpha"], max_iter=max_iter)
        notes = fit_on_rows_in_time(model, matrix, target, weight, deadline, seed=problem.seed)
    body = LinearBody.of(columns, model, preprocessing, problem.classes)
    return fitted_model(make_pipeline(columns, model), preprocessing, problem, notes=notes, body=body)


RECIPE = Recipe(
    declares=AlgorithmSpec(
        name="linear",
        tasks=("classification", "regression"),
        reads=("num", "cat"),
        needs="cpu",
        good_at="as the baseline; small and fast",
        defaults={"max_iter": 200, "C": 1.0, "alpha": 1.0},
        allowed={
            "max_iter": Allowed(minimum=1, maximum=1_000_000, whole=True),
            "C": Allowed(above=0, maximum=1e10),
            "alpha": Allowed(minimum=0, maximum=1e10),
        },
        space={"C": Range(low=1e-3, high=1e2, log=True), "alpha": Range(low=1e-3, high=1e3, log=True)},
        matters_to={"C": "classification", "alpha": "regression"},
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, tables of 2,000 to 60,000 rows",
            seconds=1,
            seconds_per_million_cells=5,
            each_class=True,
            bytes=5_000,
            latency_us=20,
        ),
        most_classes=1000,
        most_weights=5_000_000,
        turn=10,
    ),
    no_int8="a linear model is one small matrix, and integer operators would add more than it saves",
    tolerance=1e-4,  # float32 sums over as many columns as there are categories
    train=with_text_features(_train),
)
