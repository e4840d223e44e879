"""Extremely randomized trees: random thresholds, which lower variance more than they add bias (Geurts et al. 2006)."""

from __future__ import annotations

from functools import partial

from pipeline.contracts.algorithms.spec import Cost
from pipeline.training.estimators.forests import MAX_FOREST_BYTES, ForestConfig, MaxDepth, fit_forest, forest_algorithm

__all__ = ["ALGORITHM", "ExtraTreesConfig"]


class ExtraTreesConfig(ForestConfig):
    """Hyper-parameters of extremely randomized trees."""

    max_depth: MaxDepth = 24


ALGORITHM = forest_algorithm(
    name="extra_trees",
    strengths="few rows; its errors differ from those of the others, which helps a blend",
    train=partial(fit_forest, family="ExtraTrees", min_leaf_rows=1, feature_fraction=1.0),
    config=ExtraTreesConfig,
    cost=Cost(
        measured="2026-11-28, one thread of a 2-core EPYC, tables of 130 to 1,400 rows",
        seconds=0.3,
        seconds_per_million_cells=20,
        bytes=100_000,
        bytes_per_row=6_000,
        most_bytes=MAX_FOREST_BYTES,
        latency_us=40,
    ),
    training_order=25,
    max_rows=5_000,  # with more rows, boosting is better with a tenth of the bytes
)
