"""A residual network for tables: deeper than ``mlp``, and as stable to train."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.contracts.algorithms.config import search_values
from pipeline.contracts.algorithms.network_config import Hidden
from pipeline.contracts.algorithms.spec import AlgorithmSpec, Cost, SettingsOverride
from pipeline.training.algorithm import Algorithm, FittedModel, RunContext, TrainingTask
from pipeline.training.networks.tabular_config import LARGE_TABLE, SMALL_TABLE, TabularConfig

__all__ = ["ALGORITHM", "ResNetMlpConfig"]


class ResNetMlpConfig(TabularConfig):
    """Hyper-parameters of the residual network for tables."""

    hidden: Annotated[Hidden, Field(min_length=1), search_values((128, 128), (128, 128, 128), (256, 256, 256, 256))] = (
        128,
        128,
        128,
    )


def _train(config: ResNetMlpConfig, task: TrainingTask, context: RunContext) -> FittedModel:
    """Train until the validation loss has not improved for ``early_stopping`` epochs; keep the best weights."""
    from pipeline.training.loop.fit import fit_on_table
    from pipeline.training.networks.tabular import TabularResNet

    return fit_on_table(TabularResNet, config, task, context)


ALGORITHM = Algorithm(
    config=ResNetMlpConfig,
    spec=AlgorithmSpec(
        name="resnet_mlp",
        supported_inputs=("num", "cat"),
        queue="gpu",
        strengths="a deeper network with residual blocks (Gorishniy et al. 2021)",
        hyperparameters=ResNetMlpConfig.describe(),
        overrides=(
            SettingsOverride(rows_over=20_000, settings={"epochs": 15, "early_stopping": 4}),
            LARGE_TABLE,
            SMALL_TABLE,
        ),
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, tables of 15,000 and 29,000 rows",
            seconds=5,
            seconds_per_million_cells=150,
            bytes=400_000,
            most_bytes=4_000_000,
            latency_us=30,
        ),
        min_rows=100,
        only_by_name=True,  # TabM has better published means over many data sets
        max_classes=100,
        is_network=True,
        training_order=65,
    ),
    log_links=("poisson",),
    train=_train,
)
