"""Extend algorithms that read tables to texts; this module imports no training library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from pipeline.contracts.algorithms.config import AlgorithmConfig
from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import FittedModel, RunContext, TrainingTask
from pipeline.training.features.text_score_config import TextScoreConfig

__all__ = ["with_text_features"]

ConfigT = TypeVar("ConfigT", bound=AlgorithmConfig)
Train = Callable[[ConfigT, TrainingTask, RunContext], FittedModel]


def with_text_features(
    train: Train[ConfigT], texts: TextScoreConfig | None = None, *, every_class: bool = False
) -> Train[ConfigT]:
    """Extend an algorithm's training to texts, which it reads as numbers: the scores of a linear model.

    Args:
        train: Trains on ``num`` and ``cat``.
        texts: Hyper-parameters of the linear model; None: the defaults.
        every_class: Whether each class has a score; else only the most frequent ones.

    Returns:
        The extended training. It raises CandidateFailedError for a private training with texts, since the scores would
        reveal labels.
    """
    scoring = texts or TextScoreConfig()

    def train_with_texts(config: ConfigT, task: TrainingTask, context: RunContext) -> FittedModel:
        if not task.train.text.size or task.kind == "clustering":
            return train(config, task, context)
        if isinstance(config, NetworkConfig) and config.privacy_epsilon:
            raise CandidateFailedError("its text features learn from the labels, which is not private training")
        from pipeline.training.features.text_features import encode_texts

        context.report("reads the texts")
        encoding = encode_texts(task, scoring, context, every_class=every_class)
        fitted = train(config, replace(task, train=encoding.train, validation=encoding.validation), context)
        return replace(
            fitted,
            predict=lambda rows: fitted.predict(encoding.append_scores(rows)),
            body=lambda: encoding.prepend_to(fitted.body()),
            notes=(*fitted.notes, *encoding.scores.notes),
        )

    return train_with_texts
