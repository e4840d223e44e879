"""The hyper-parameters that TabM and the residual network for tables share; this module does not import torch."""

from __future__ import annotations

from typing import Annotated

from pipeline.contracts.algorithms.config import search_range
from pipeline.contracts.algorithms.network_config import (
    Dropout,
    EarlyStopping,
    LearningRate,
    NetworkConfig,
    Schedule,
    WeightDecay,
)
from pipeline.contracts.algorithms.spec import SettingsOverride

__all__ = ["LARGE_TABLE", "SMALL_TABLE", "TableLearningRate", "TableWeightDecay", "TabularConfig"]

TableLearningRate = Annotated[LearningRate, search_range(3e-4, 5e-3, log=True)]
TableWeightDecay = Annotated[WeightDecay, search_range(1e-5, 1e-1, log=True)]
LARGE_TABLE = SettingsOverride(rows_over=100_000, settings={"epochs": 8, "batch_size": 1024, "early_stopping": 3})
SMALL_TABLE = SettingsOverride(rows_up_to=5_000, settings={"batch_size": 64, "early_stopping": 12})


class TabularConfig(NetworkConfig):
    """Hyper-parameters of a network for tables."""

    dropout: Annotated[Dropout, search_range(0.0, 0.5)] = 0.1
    learning_rate: TableLearningRate = 1e-3
    weight_decay: TableWeightDecay = 1e-4
    schedule: Schedule = "cosine"
    early_stopping: EarlyStopping = 8
