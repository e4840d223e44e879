"""A multilayer perceptron over numbers and embeddings of categories, or over an image's pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pipeline.contracts.algorithms.config import search_range, search_values
from pipeline.contracts.algorithms.network_config import (
    BatchSize,
    Dropout,
    EarlyStopping,
    Epochs,
    Hidden,
    LearningRate,
    NetworkConfig,
    Pieces,
    WeightDecay,
)
from pipeline.contracts.algorithms.spec import AlgorithmSpec, Cost, SettingsOverride
from pipeline.training.algorithm import Algorithm, FittedModel, RunContext, TrainingTask
from pipeline.training.features.text_inputs import with_text_features

__all__ = ["ALGORITHM", "MlpConfig"]


class MlpConfig(NetworkConfig):
    """Hyper-parameters of the multi-layer perceptron."""

    hidden: Annotated[Hidden, search_values((64, 32), (128, 64), (256, 128), (256, 256))] = (512, 256)
    dropout: Annotated[Dropout, search_range(0.0, 0.5)] = 0.1
    epochs: Epochs = 15
    batch_size: BatchSize = 1024
    learning_rate: Annotated[LearningRate, search_range(1e-4, 1e-2, log=True)] = 1e-3
    weight_decay: Annotated[WeightDecay, search_range(1e-6, 1e-1, log=True)] = 1e-4
    early_stopping: EarlyStopping = 3
    pieces: Pieces = 48


def _train(config: MlpConfig, task: TrainingTask, context: RunContext) -> FittedModel:
    """Train until the validation loss has not improved for ``early_stopping`` epochs; keep the best weights."""
    from pipeline.training.loop.fit import fit_on_images, fit_on_table
    from pipeline.training.networks.images import PixelMLP
    from pipeline.training.networks.tabular_mlp import TabularMLP

    if task.train.image.size:
        return fit_on_images(PixelMLP, config, task, context)
    return fit_on_table(TabularMLP, config, task, context, pieces=config.pieces)


def _train_stacked(
    trials: Sequence[MlpConfig], task: TrainingTask, context: RunContext
) -> Sequence[FittedModel] | None:
    from pipeline.training.search.stacked_trials import can_stack, fit_stacked

    return fit_stacked(trials, task, context) if can_stack(trials, task, context) else None


ALGORITHM = Algorithm(
    config=MlpConfig,
    spec=AlgorithmSpec(
        name="mlp",
        supported_inputs=("num", "cat", "image"),
        queue="gpu",
        strengths="a network with embeddings for categories; can be quantized to int8",
        hyperparameters=MlpConfig.describe(),
        # Few rows: smaller batches and more dropout. Many rows: fewer epochs and larger batches.
        overrides=(
            SettingsOverride(
                rows_up_to=200_000,
                settings={"hidden": (256, 128), "epochs": 30, "batch_size": 256, "early_stopping": 5},
            ),
            SettingsOverride(
                rows_up_to=20_000,
                settings={"hidden": (128, 64), "epochs": 60, "batch_size": 128, "early_stopping": 8, "pieces": 16},
            ),
            SettingsOverride(
                rows_up_to=2_000,
                settings={"hidden": (64, 32), "dropout": 0.2, "epochs": 100, "batch_size": 32, "early_stopping": 15},
            ),
        ),
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, tables of 2,000 to 60,000 rows",
            seconds=5,
            seconds_per_million_cells=60,
            bytes=30_000,
            bytes_per_row=5,
            most_bytes=1_000_000,
            latency_us=26,
        ),
        min_rows=100,
        max_classes=1000,
        is_network=True,
        training_order=60,
    ),
    log_links=("poisson",),
    train=with_text_features(_train),
    train_stacked=_train_stacked,
)
