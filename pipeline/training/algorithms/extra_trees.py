"""Extremely randomized trees: thresholds drawn by chance, which evens out more than it errs (Geurts et al. 2006)."""

from __future__ import annotations

from pipeline.contracts.algorithm_spec import Cost, Range
from pipeline.training.algorithm import AlgorithmSpec, FittedModel, Problem, Recipe, Settings
from pipeline.training.estimators.forests import FOREST_ALLOWED, MAX_FOREST_BYTES, fit_forest
from pipeline.training.features.text_inputs import with_text_features

__all__ = ["RECIPE"]


def _train(settings: Settings, problem: Problem) -> FittedModel:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    kind = ExtraTreesClassifier if problem.classes else ExtraTreesRegressor
    return fit_forest(kind, settings, problem, least=1, share=1.0)


RECIPE = Recipe(
    declares=AlgorithmSpec(
        name="extra_trees",
        tasks=("classification", "regression"),
        reads=("num", "cat"),
        needs="cpu",
        good_at="few rows; its errors differ from those of the others, which helps a blend",
        # min_samples_leaf 0: by the rows, so that the file stays at some megabytes
        defaults={"n_estimators": 100, "max_depth": 24, "min_samples_leaf": 0},
        allowed=FOREST_ALLOWED,
        space={
            "n_estimators": (100, 200, 400),
            "max_depth": (8, 12, 16, 24),
            "min_samples_leaf": Range(low=1, high=50, log=True, whole=True),
        },
        unbounded=("max_depth",),
        cost=Cost(
            measured="2026-11-28, one thread of a 2-core EPYC, tables of 130 to 1,400 rows",
            seconds=0.3,
            seconds_per_million_cells=20,
            bytes=100_000,
            bytes_per_row=6_000,
            most_bytes=MAX_FOREST_BYTES,
            latency_us=40,
        ),
        most_rows=5_000,  # of more, boosting is better at a tenth of the size: asked for by name it takes them
        most_classes=100,  # a number a class in each leaf: size goes with classes
        turn=25,
    ),
    no_int8="trees compare columns with thresholds: there are no weight matrices to quantize",
    tolerance=1e-4,  # hundreds of float32 shares are summed
    train=with_text_features(_train),
)
