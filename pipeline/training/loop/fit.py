"""A network as a recipe's result: what it learnt by the one loop, its own answers, and its body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import onnx
from torch import nn

from pipeline.training.algorithm import FittedModel, Problem, Rows, Settings
from pipeline.training.loop.inference import InferenceModule
from pipeline.training.loop.inputs import InputReader
from pipeline.training.loop.loop import Learned, train_network
from pipeline.training.loop.losses import quantiles_of

__all__ = ["fit_network", "fitted_network"]


def fit_network(
    build: Callable[[], nn.Module], reads: InputReader, settings: Settings, problem: Problem
) -> FittedModel:
    """What the network that ``build`` makes has learnt (loop.train_network says what the two give)."""
    return fitted_network(train_network(build, reads, settings, problem), reads, settings, problem)


def fitted_network(learned: Learned, reads: InputReader, settings: Settings, problem: Problem) -> FittedModel:
    """What was learnt, as a recipe gives it back."""
    answering = InferenceModule(learned.network, reads, classes=problem.classes)
    return FittedModel(
        predict=answering.answers,
        body=NetworkBody(answering=answering, example=problem.train),
        history=learned.history,
        notes=learned.notes,
        quantiles=quantiles_of(settings, problem),
        privacy=learned.privacy,
        weights=learned.network.state_dict(),
        tuned={"epochs": learned.best_epoch},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkBody:
    """Exports a network, or the mean of several (resampling.bag_graph). ``example``: rows to compare the graph on."""

    answering: InferenceModule
    example: Rows

    def __call__(self) -> onnx.ModelProto:
        return self.answering.body(self.example)

    def average(self, bodies: Sequence[Self]) -> onnx.ModelProto | None:
        return self.answering.averaged([body.answering for body in bodies], self.example)
