"""Fit a network with the training loop, as an algorithm's result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import onnx
from torch import nn

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.training.algorithm import FittedModel, Rows, RunContext, TrainingTask
from pipeline.training.loop.inference import InferenceModule
from pipeline.training.loop.inputs import InputReader, columns
from pipeline.training.loop.loop import TrainedNetwork, train_network
from pipeline.training.loop.losses import outputs_of, quantiles_of

__all__ = ["fit_network", "fit_on_columns", "to_fitted_model"]


def fit_network(
    build: Callable[[], nn.Module], reads: InputReader, config: NetworkConfig, task: TrainingTask, context: RunContext
) -> FittedModel:
    """Train a network, and return it as a fitted model; the arguments are those of ``loop.train_network``.

    Raises:
        CandidateFailedError: The network cannot be trained with this config, or its loss diverged.
    """
    return to_fitted_model(train_network(build, reads, config, task, context), reads, config, task)


def fit_on_columns(
    build: Callable[[int], nn.Module],
    names: Sequence[str],
    config: NetworkConfig,
    task: TrainingTask,
    context: RunContext,
) -> FittedModel:
    """Train a network that reads encoded columns as they are.

    Args:
        build: Builds the network, given its number of outputs.
        names: Inputs of its ``forward``, in its order: ``num``, ``cat``, ``image``.
        config: Hyper-parameters.
        task: The rows, and what is learned of them.
        context: Device, deadline, checkpoints and observers.

    Raises:
        CandidateFailedError: The network cannot be trained with this config, or its loss diverged.
    """
    return fit_network(partial(build, outputs_of(config, task)), columns(*names), config, task, context)


def to_fitted_model(
    trained: TrainedNetwork, reads: InputReader, config: NetworkConfig, task: TrainingTask
) -> FittedModel:
    """Return the fitted model of a trained network."""
    module = InferenceModule(trained.network, reads, classes=task.classes)
    return FittedModel(
        predict=module.predict,
        body=NetworkBody(module=module, example=task.train),
        history=trained.history,
        notes=trained.notes,
        quantiles=quantiles_of(config, task),
        privacy=trained.privacy,
        weights=trained.network.state_dict(),
        tuned={"epochs": trained.best_epoch},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkBody:
    """Exports a network, or the mean of several networks (resampling.bag_graph).

    Args:
        module: The network.
        example: Rows to compare the graph with the network on.
    """

    module: InferenceModule
    example: Rows

    def __call__(self) -> onnx.ModelProto:
        """Return the network's graph."""
        return self.module.to_onnx(self.example)

    def average(self, bodies: Sequence[Self]) -> onnx.ModelProto | None:
        """Return the graph of the mean of several networks' predictions; None where they have no common graph."""
        return self.module.average_to_onnx([body.module for body in bodies], self.example)
