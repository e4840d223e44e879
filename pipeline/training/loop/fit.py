"""A network as a recipe's result: what it learnt by the one loop, its own answers, and its body."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from pipeline.training.algorithm import FittedModel, Problem, Settings
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
        body=lambda: answering.body(problem.train),
        history=learned.history,
        notes=learned.notes,
        quantiles=quantiles_of(settings, problem),
        privacy=learned.privacy,
        weights=learned.network.state_dict(),
    )
