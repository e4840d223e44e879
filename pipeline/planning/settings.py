"""The one table of settings: what each recipe is given, by the data's shape.

The keys are the recipes' own (pipeline.training.recipes). Settings are complete: a recipe has no defaults of its own.

    linear             C (classification: inverse strength of L2) or alpha (regression: strength of L2)
    random_forest      n_estimators, max_depth, min_samples_leaf
    gradient_boosting  n_estimators (at most), learning_rate, num_leaves, min_child_samples, early_stopping_rounds
    mlp                hidden, dropout, epochs (at most), batch_size, learning_rate, weight_decay, early_stopping
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.contracts.dataset import Dataset
from pipeline.contracts.job_spec import Training
from pipeline.contracts.plan import Algorithm

__all__ = ["Settings", "settings_for"]

Settings = dict[str, int | float | str | bool | tuple[int, ...]]

# Training rows up to ... -> the network's knobs. Few rows: small steps and more dropout; many: fewer, larger batches.
_MLP_BY_ROWS: tuple[tuple[float, Settings], ...] = (
    (2_000, {"hidden": (64, 32), "dropout": 0.2, "epochs": 100, "batch_size": 32, "early_stopping": 15}),
    (20_000, {"hidden": (128, 64), "dropout": 0.1, "epochs": 60, "batch_size": 128, "early_stopping": 8}),
    (200_000, {"hidden": (256, 128), "dropout": 0.1, "epochs": 30, "batch_size": 256, "early_stopping": 5}),
    (float("inf"), {"hidden": (512, 256), "dropout": 0.1, "epochs": 15, "batch_size": 1024, "early_stopping": 3}),
)


def settings_for(algorithm: Algorithm, dataset: Dataset, training: Training) -> Settings:
    """Complete settings of one candidate."""
    return _TABLE[algorithm](dataset, training)


def _linear(dataset: Dataset, _: Training) -> Settings:
    return {"C": 1.0} if dataset.task == "classification" else {"alpha": 1.0}


def _random_forest(dataset: Dataset, _: Training) -> Settings:
    # A leaf's least rows grow with the data, so that the exported file stays at some megabytes: on Adult 5 instead of 2
    # halves the nodes, at the same accuracy.
    return {"n_estimators": 100, "max_depth": 16, "min_samples_leaf": max(2, dataset.rows.train // 5_000)}


def _gradient_boosting(dataset: Dataset, _: Training) -> Settings:
    rows = dataset.rows.train
    # Every round grows one tree a class; from three classes on, faster rounds keep time and size in hand.
    many = len(dataset.classes) > 2
    return {
        "n_estimators": 400 if many else 2000,
        "learning_rate": 0.1 if many else 0.05,
        "num_leaves": 31 if rows >= 2_000 else 15,
        "min_child_samples": max(2, min(20, rows // 50)),
        "early_stopping_rounds": 30 if many else 50,
    }


def _mlp(dataset: Dataset, training: Training) -> Settings:
    knobs = next(knobs for rows, knobs in _MLP_BY_ROWS if dataset.rows.train <= rows)
    return {"learning_rate": 1e-3, "weight_decay": 1e-4} | knobs | training.model_dump(exclude_none=True)


_TABLE: dict[Algorithm, Callable[[Dataset, Training], Settings]] = {
    "linear": _linear,
    "random_forest": _random_forest,
    "gradient_boosting": _gradient_boosting,
    "mlp": _mlp,
}
