"""A random forest: robust, hardly anything to tune, larger and slower to answer than boosting (Breiman 2001)."""

from __future__ import annotations

from pipeline.contracts.algorithm_spec import Cost, Range
from pipeline.training.algorithm import AlgorithmSpec, FittedModel, Problem, Recipe, Settings
from pipeline.training.estimators.forests import FOREST_ALLOWED, MAX_FOREST_BYTES, fit_forest
from pipeline.training.features.text_inputs import with_text_features

__all__ = ["RECIPE"]


def _train(settings: Settings, problem: Problem) -> FittedModel:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestClassifier if problem.classes else RandomForestRegressor
    return fit_forest(kind, settings, problem, least=2, share=0.5)


RECIPE = Recipe(
    declares=AlgorithmSpec(
        name="random_forest",
        tasks=("classification", "regression"),
        reads=("num", "cat"),
        needs="cpu",
        good_at="robust without tuning, good at interactions",
        # min_samples_leaf 0: by the rows, so that the file stays at some megabytes
        defaults={"n_estimators": 100, "max_depth": 16, "min_samples_leaf": 0},
        allowed=FOREST_ALLOWED,
        space={
            "n_estimators": (100, 200, 400),
            "max_depth": (8, 12, 16, 24),
            "min_samples_leaf": Range(low=1, high=50, log=True, whole=True),
        },
        unbounded=("max_depth",),
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, tables of 2,000 to 60,000 rows",
            seconds=0.5,
            seconds_per_million_cells=20,
            bytes=100_000,
            bytes_per_row=600,
            most_bytes=MAX_FOREST_BYTES,
            latency_us=20,
        ),
        most_classes=100,  # a number a class in each leaf: size goes with classes
        turn=20,
    ),
    no_int8="trees compare columns with thresholds: there are no weight matrices to quantize",
    tolerance=1e-4,  # hundreds of float32 shares are summed
    train=with_text_features(_train),
)
