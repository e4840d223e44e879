"""TabM with piecewise-linear embeddings: an ensemble of networks that share most weights, in one graph."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.contracts.algorithms.config import hyperparameter, search_values
from pipeline.contracts.algorithms.network_config import Hidden
from pipeline.contracts.algorithms.spec import AlgorithmSpec, Cost, SettingsOverride
from pipeline.training.algorithm import Algorithm, FittedModel, RunContext, TrainingTask
from pipeline.training.networks.tabular_config import (
    LARGE_TABLE,
    SMALL_TABLE,
    TableLearningRate,
    TableWeightDecay,
    TabularConfig,
)

__all__ = ["ALGORITHM", "TabMConfig"]


class TabMConfig(TabularConfig):
    """Hyper-parameters of TabM."""

    members: Annotated[int, hyperparameter("Networks that share most weights.", unit="networks", ge=1, le=256)] = 16
    bins: Annotated[
        int,
        hyperparameter("Bins of the piecewise-linear embedding of a number.", unit="bins", ge=2, le=1_024),
        search_values(16, 32, 48, 96),
    ] = 48
    hidden: Annotated[Hidden, Field(min_length=1), search_values((128, 128), (256, 256), (256, 256, 256))] = (128, 128)
    learning_rate: TableLearningRate = 2e-3
    weight_decay: TableWeightDecay = 3e-4


def _train(config: TabMConfig, task: TrainingTask, context: RunContext) -> FittedModel:
    """Train each member with its own loss; early stopping and the exported graph use the members' mean prediction."""
    from pipeline.training.loop.fit import fit_on_table
    from pipeline.training.networks.tabular import TabMNetwork

    return fit_on_table(TabMNetwork, config, task, context, members=config.members, bins=config.bins)


ALGORITHM = Algorithm(
    config=TabMConfig,
    spec=AlgorithmSpec(
        name="tabm",
        supported_inputs=("num", "cat"),
        queue="gpu",
        strengths="usually the best network on tables: an ensemble with shared weights; helps a blend with trees",
        hyperparameters=TabMConfig.describe(),
        overrides=(
            SettingsOverride(rows_over=10_000, settings={"epochs": 15, "early_stopping": 4}),  # 5 folds take minutes
            LARGE_TABLE,
            SMALL_TABLE,
        ),
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, tables of 15,000 and 29,000 rows",
            seconds=5,
            seconds_per_million_cells=300,
            bytes=400_000,
            most_bytes=4_000_000,
            latency_us=100,
        ),
        min_rows=500,
        max_rows=20_000,  # more rows take minutes on a CPU; planned only if the spec names it
        max_cells=600_000,  # the five folds then take 3 minutes each
        max_classes=100,
        is_network=True,
        training_order=70,
    ),
    log_links=("poisson",),
    train=_train,
)
