"""Train a network with the training loop, and return it as a FittedModel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import onnx
from torch import nn

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.training.algorithm import FittedModel, Rows, RunContext, TrainingTask
from pipeline.training.loop.inference import InferenceModule
from pipeline.training.loop.inputs import InputReader, columns
from pipeline.training.loop.loop import TrainedNetwork, train_network
from pipeline.training.loop.losses import outputs_of, quantiles_of

__all__ = ["fit_network", "fit_on_images", "fit_on_table", "to_fitted_model"]

_CHECKED_ROWS = 256  # rows on which the exported graph is compared with the network


def fit_network(
    build: Callable[[], nn.Module], reads: InputReader, config: NetworkConfig, task: TrainingTask, context: RunContext
) -> FittedModel:
    """Train a network, and return it as a fitted model; the arguments are those of ``loop.train_network``.

    Raises:
        CandidateFailedError: The network cannot be trained with this config, or its loss diverged.
    """
    return to_fitted_model(train_network(build, reads, config, task, context), reads, config, task)


def fit_on_table(
    network: Callable[..., nn.Module], config: NetworkConfig, task: TrainingTask, context: RunContext, **settings: Any
) -> FittedModel:
    """Train a network that reads numbers and categories.

    Args:
        network: Class of the network; called with the numbers of the training rows, the cardinalities, ``outputs``,
            ``hidden``, ``dropout`` and ``settings``.
        config: Hyper-parameters.
        task: The training and validation rows, and the objective.
        context: Device, deadline, checkpoints and observers.
        settings: Further keyword arguments of ``network``.

    Raises:
        CandidateFailedError: The network cannot be trained with this config, or its loss diverged.
    """
    build = partial(network, task.reference_rows(config).num, task.cardinalities, **settings)
    return fit_network(_complete(build, config, task), columns("num", "cat"), config, task, context)


def fit_on_images(
    network: Callable[..., nn.Module], config: NetworkConfig, task: TrainingTask, context: RunContext, **settings: Any
) -> FittedModel:
    """Train a network that reads images: like ``fit_on_table``, but ``network`` is called with the training images.

    Raises:
        CandidateFailedError: The network cannot be trained with this config, or its loss diverged.
    """
    build = partial(network, task.reference_rows(config).image, **settings)
    return fit_network(_complete(build, config, task), columns("image"), config, task, context)


def _complete(build: partial[nn.Module], config: NetworkConfig, task: TrainingTask) -> Callable[[], nn.Module]:
    return partial(build, outputs=outputs_of(config, task), hidden=config.hidden, dropout=config.dropout)


def to_fitted_model(
    trained: TrainedNetwork, reads: InputReader, config: NetworkConfig, task: TrainingTask
) -> FittedModel:
    """Return the fitted model of a trained network."""
    module = InferenceModule(trained.network, reads, classes=task.classes)
    example = task.train.take(np.arange(min(len(task.train), _CHECKED_ROWS)))
    return FittedModel(
        predict=module.predict,
        body=NetworkBody(module=module, example=example),
        history=trained.history,
        notes=trained.notes,
        quantiles=quantiles_of(config, task),
        privacy=trained.privacy,
        weights=trained.network.state_dict(),
        tuned={"epochs": trained.best_epoch},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkBody:
    """Exports a network, or the mean of several networks (resampling.bagging).

    Args:
        module: The network.
        example: Rows on which the graph is compared with the network.
    """

    module: InferenceModule
    example: Rows

    def __call__(self) -> onnx.ModelProto:
        """Return the network's graph."""
        return self.module.to_onnx(self.example)

    def average(self, bodies: Sequence[Self]) -> onnx.ModelProto | None:
        """Return the graph of the mean of several networks' predictions; None if they have no common graph."""
        return self.module.average_to_onnx([body.module for body in bodies], self.example)
