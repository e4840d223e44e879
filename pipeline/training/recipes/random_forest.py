"""A random forest: robust, hardly anything to tune, larger and slower to answer than boosting."""

from __future__ import annotations

from typing import Any

from pipeline.contracts.declaration import Cost, Range
from pipeline.training.reading_texts import reads_texts
from pipeline.training.recipe import Declaration, Fitted, Problem, Recipe, Rows, Settings

__all__ = ["RECIPE", "most_leaves"]

_BYTES = 10_000_000  # what the ONNX file may come to; deeper trees gain less than they cost to load
_BYTES_PER_LEAF, _BYTES_PER_LEAF_AND_CLASS = 60, 14  # as skl2onnx writes a leaf and the split above it


def _train(settings: Settings, problem: Problem) -> Fitted:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    from pipeline.training.exporting import sklearn_body
    from pipeline.training.preprocessing import forest_features

    preprocessing, features = forest_features(problem)
    forest = RandomForestClassifier if problem.classes else RandomForestRegressor
    model = forest(
        n_estimators=settings["n_estimators"],
        max_depth=settings["max_depth"],
        min_samples_leaf=settings["min_samples_leaf"] or max(2, len(problem.train) // 5_000),
        max_leaf_nodes=most_leaves(settings["n_estimators"], problem.classes),
        max_features="sqrt" if problem.classes else 0.5,
        n_jobs=problem.threads,
        random_state=problem.seed,
    )
    model.fit(features, problem.train.target, sample_weight=problem.train.weight)
    answer = model.predict_proba if problem.classes else model.predict

    def predict(rows: Rows) -> Any:
        return answer(preprocessing.apply(rows))

    return Fitted(predict=predict, body=lambda: sklearn_body(model, preprocessing, classifier=bool(problem.classes)))


def most_leaves(trees: int, classes: int) -> int:
    """How many leaves a tree may have."""
    return max(8, _BYTES // (trees * (_BYTES_PER_LEAF + _BYTES_PER_LEAF_AND_CLASS * max(1, classes))))


RECIPE = Recipe(
    declares=Declaration(
        name="random_forest",
        tasks=("classification", "regression"),
        reads=("num", "cat"),
        needs="cpu",
        good_at="robust without tuning, good at interactions",
        # min_samples_leaf 0: by the rows, so that the file stays at some megabytes
        defaults={"n_estimators": 100, "max_depth": 16, "min_samples_leaf": 0},
        space={
            "n_estimators": (100, 200, 400),
            "max_depth": (8, 12, 16, 24),
            "min_samples_leaf": Range(low=1, high=50, log=True, whole=True),
        },
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, tables of 2,000 to 60,000 rows",
            seconds=0.5,
            seconds_per_million_cells=20,
            bytes=100_000,
            bytes_per_row=600,
            most_bytes=_BYTES,
            latency_us=20,
        ),
        most_classes=100,  # a number a class in each leaf: size goes with classes
        turn=20,
        refits="always",
    ),
    quantizable=False,
    tolerance=1e-4,  # hundreds of float32 shares are summed
    train=reads_texts(_train),
)
