"""The description that the convolutional networks share; it does not import torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from pydantic import Field

from pipeline.contracts.algorithms.config import hyperparameter, search_range, search_values
from pipeline.contracts.algorithms.hyperparameter import Settings
from pipeline.contracts.algorithms.network_config import (
    BatchSize,
    Hidden,
    LearningRate,
    Mixup,
    NetworkConfig,
    Schedule,
    WeightDecay,
)
from pipeline.contracts.algorithms.spec import AlgorithmSpec, Cost, SettingsOverride
from pipeline.training.algorithm import Algorithm, FittedModel, RunContext, TrainingTask

__all__ = ["ImageConfig", "image_algorithm"]

_FEW_ROWS, _FEWER_ROWS = 20_000, 2_000


class ImageConfig(NetworkConfig):
    """Hyper-parameters of a convolutional network."""

    hidden: Annotated[Hidden, Field(min_length=1), search_values((16, 32, 64), (32, 64, 128), (64, 128, 256))] = (
        16,
        32,
        64,
    )
    jitter: Annotated[bool, hyperparameter("Whether training images are slightly shifted, rotated and scaled.")] = True
    batch_size: BatchSize = 128
    learning_rate: Annotated[LearningRate, search_range(3e-4, 1e-2, log=True)] = 3e-3
    weight_decay: Annotated[WeightDecay, search_range(1e-4, 1e-1, log=True)] = 1e-2
    schedule: Schedule = "one_cycle"
    mixup: Annotated[Mixup, search_values(0.0, 0.2)] = 0.0


ImageConfigT = TypeVar("ImageConfigT", bound=ImageConfig)


def image_algorithm(  # noqa: PLR0913 - the differences between the networks, keyword-only
    *,
    name: str,
    strengths: str,
    config: type[ImageConfigT],
    train: Callable[[ImageConfigT, TrainingTask, RunContext], FittedModel],
    epochs: tuple[int, int],
    cost: Cost,
    training_order: int,
) -> Algorithm[ImageConfigT]:
    """Make the description of a convolutional network.

    Args:
        name: Name of the algorithm.
        strengths: Reason that a plan gives for the algorithm.
        config: Class of the hyper-parameters.
        train: Trains a model.
        epochs: Number of epochs for up to 20,000 training rows, and for up to 2,000.
        cost: Measured cost of a training.
        training_order: Sort key of the candidates of a job: lower ones are trained first.
    """
    few, fewer = epochs
    return Algorithm(
        config=config,
        spec=AlgorithmSpec(
            name=name,
            supported_inputs=("image",),
            required_inputs=("image",),
            queue="gpu",
            strengths=strengths,
            hyperparameters=config.describe(),
            overrides=(
                _adjustment(_FEW_ROWS, few, batch_size=64),
                _adjustment(_FEWER_ROWS, fewer, batch_size=32),
            ),
            cost=cost,
            min_rows=30,
            max_classes=1000,
            is_network=True,
            training_order=training_order,
        ),
        log_links=("poisson",),
        train=train,
    )


def _adjustment(rows: int, epochs: int, *, batch_size: int) -> SettingsOverride:
    settings: Settings = {"epochs": epochs, "batch_size": batch_size, "early_stopping": epochs}
    return SettingsOverride(rows_up_to=rows, settings=settings)
