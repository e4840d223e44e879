"""A random forest: robust without tuning, but larger and slower to serve than boosting (Breiman 2001)."""

from __future__ import annotations

from functools import partial

from pipeline.contracts.algorithms.spec import Cost
from pipeline.training.estimators.forests import MAX_FOREST_BYTES, ForestConfig, fit_forest, forest_algorithm

__all__ = ["ALGORITHM", "RandomForestConfig"]


class RandomForestConfig(ForestConfig):
    """Hyper-parameters of the random forest."""


ALGORITHM = forest_algorithm(
    name="random_forest",
    strengths="robust without tuning, good at interactions",
    train=partial(fit_forest, family="RandomForest", min_leaf_rows=2, feature_fraction=0.5),
    config=RandomForestConfig,
    cost=Cost(
        measured="2026-11-24, one thread of a 2-core EPYC, tables of 2,000 to 60,000 rows",
        seconds=0.5,
        seconds_per_million_cells=20,
        bytes=100_000,
        bytes_per_row=600,
        most_bytes=MAX_FOREST_BYTES,
        latency_us=20,
    ),
    training_order=20,
)
