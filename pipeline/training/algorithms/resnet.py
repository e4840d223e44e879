"""A small residual network for images, which training augments by slight shifts, rotations and scalings."""

from __future__ import annotations

from typing import Annotated

from pipeline.contracts.algorithms.config import hyperparameter, search_values
from pipeline.contracts.algorithms.network_config import Dropout, EarlyStopping, Epochs
from pipeline.contracts.algorithms.spec import Cost
from pipeline.training.algorithm import FittedModel, RunContext, TrainingTask
from pipeline.training.networks.image_algorithm import ImageConfig, image_algorithm

__all__ = ["ALGORITHM", "ResNetConfig"]


class ResNetConfig(ImageConfig):
    """Hyper-parameters of the residual network."""

    blocks: Annotated[
        int, hyperparameter("Residual blocks of a group.", unit="blocks", ge=1, le=100), search_values(1, 2, 3)
    ] = 1
    dropout: Dropout = 0.1
    epochs: Epochs = 12
    early_stopping: EarlyStopping = 12  # no early stopping: the last epochs of one_cycle are the best


def _train(config: ResNetConfig, task: TrainingTask, context: RunContext) -> FittedModel:
    """Train the network; ``hidden`` has the channels of each group of ``blocks`` residual blocks."""
    from pipeline.training.loop.fit import fit_on_images
    from pipeline.training.networks.images import ResNet

    return fit_on_images(ResNet, config, task, context, blocks=config.blocks, jitter=config.jitter)


ALGORITHM = image_algorithm(
    name="resnet",
    strengths="a residual network: deeper than cnn, for harder images",
    train=_train,
    config=ResNetConfig,
    epochs=(30, 60),
    cost=Cost(
        measured="2026-11-24, one thread of a 2-core EPYC, 54,000 images of 28 x 28",
        seconds=5,
        seconds_per_million_cells=3.5,
        bytes=320_000,
        latency_us=200,
    ),
    training_order=65,
)
