"""The algorithms and hyper-parameters of students, which learn the predictions of a blend.

Students are small: a boosting model with few trees, or a network with narrow layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipeline.contracts.algorithms.config import AlgorithmConfig
from pipeline.training.algorithms.gradient_boosting import GradientBoostingConfig
from pipeline.training.algorithms.mlp import MlpConfig

__all__ = ["STUDENTS"]

STUDENTS: Mapping[str, AlgorithmConfig] = MappingProxyType(
    {
        "gradient_boosting": GradientBoostingConfig(
            n_estimators=300,
            learning_rate=0.1,
            num_leaves=31,
            feature_fraction=0.8,
            early_stopping_rounds=20,
            folds=1,
        ),
        "mlp": MlpConfig(
            hidden=(64, 64),
            dropout=0.0,
            epochs=15,
            batch_size=256,
            learning_rate=2e-3,
            schedule="cosine",
            early_stopping=3,
            pieces=48,
        ),
    }
)
