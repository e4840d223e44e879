"""Run trials of a search: train and score settings on each fold, prune hopeless ones, and cache the scores."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.contracts.algorithms.config import AlgorithmConfig
from pipeline.contracts.algorithms.hyperparameter import Settings
from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.errors import ModeldropError
from pipeline.contracts.records.outcome import Trial
from pipeline.contracts.records.plan import Trials
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.training.algorithm import (
    Algorithm,
    Checkpoints,
    FittedModel,
    NoCheckpoints,
    Report,
    Rows,
    RunContext,
    TrainingTask,
)
from pipeline.training.search.trial_data import sample

__all__ = ["Score", "SearchTimeoutError", "TrialCache", "TrialRunner", "cache_key"]

Score = Callable[[FittedModel, Rows], float]  # returns the plan's metric

_FIRST_TRIAL_FRACTION = 0.5  # fraction of the search time that the first trial may take
_MIN_EPOCH_FRACTION = 0.25  # fraction of a trial's epochs before which it is not pruned
_MIN_CURVES = 4  # minimum number of other learning curves to prune a trial by
_INCOMPARABLE_LOSS_SETTINGS = frozenset({"loss", "label_smoothing", "focal_gamma", "huber_delta", "quantiles"})


class SearchTimeoutError(Exception):
    """There is no time left for another trial; ``search`` catches this error."""


class TrialPrunedError(Exception):
    """A trial's learning curve is worse than the median of the other trials' curves."""


class TrialCache:
    """Checkpoints of a search and of the training that follows it: the trials' scores, then the training's state.

    Args:
        checkpoints: Storage of the candidate.
        clock: Returns seconds that never decrease.
    """

    def __init__(self, checkpoints: Checkpoints, clock: Callable[[], float]) -> None:
        self._kept, self.seconds, self._clock = checkpoints, checkpoints.seconds, clock
        head, _, state = (checkpoints.load() or b"").partition(b"\n")
        try:
            self._scores: dict[str, list[float]] = json.loads(head or b"{}")
            self._state = state
        except ValueError:  # damaged, or not UTF-8: the search starts over
            self._scores, self._state = {}, b""
        self._saved = clock()

    def __getitem__(self, key: str) -> list[float] | None:
        """Return score and seconds of the training with this ``cache_key``; None if it has not run."""
        return self._scores.get(key)

    def note(self, key: str, score: float, seconds: float) -> None:
        """Record the score and the seconds of a training, and save a checkpoint if one is due."""
        self._scores[key] = [score, seconds]
        if self._clock() - self._saved >= self.seconds:
            self.save(self._state)

    def load(self) -> bytes | None:
        """Return the state of the training after the search; None if there is none."""
        return self._state or None

    def save(self, state: bytes) -> None:
        """Save the state of the training after the search, together with the scores."""
        self._state, self._saved = state, self._clock()
        self._kept.save(json.dumps(self._scores).encode() + b"\n" + state)


@dataclass(kw_only=True)
class TrialRunner:
    """Trains and scores settings.

    Args:
        algorithm: Trains the trials.
        base: Values of all settings, which a trial's settings override.
        folds: Tasks that each trial is trained and scored on, one per fold.
        context: Context of the candidate.
        score: Measures the plan's metric.
        cache: Scores of this and earlier attempts.
        trials: Space and method; random and Bayesian searches prune hopeless trials after some folds or epochs.
        deadline: Time of the context's clock at which the search must end.
        planned: Planned number of trials of the search.
        started_trials: Number of trials started so far.
    """

    algorithm: Algorithm[Any]
    base: Settings
    folds: tuple[TrainingTask, ...]
    context: RunContext
    score: Score
    cache: TrialCache
    trials: Trials
    deadline: float
    planned: int
    started_trials: int = 0
    _longest: float = 0.0  # seconds of the longest training so far, scaled to all rows
    _best: list[float] = field(default_factory=list)  # the best trial's score on each fold
    _curves: list[dict[int, float]] = field(default_factory=list)  # epoch -> lowest validation loss so far

    def __call__(self, settings: Settings, *, row_fraction: float = 1.0, rung: int = 0) -> Trial:
        """Train and score settings on the folds.

        Args:
            settings: Settings in the search space.
            row_fraction: Fraction of the training rows to train on.
            rung: Rung of successive halving.

        Raises:
            SearchTimeoutError: There is no time left for another training. After any other error, the trial has failed.
        """
        started, scores = self.context.clock(), list[float]()
        self.started_trials += 1

        def trial(status: str, reason: str = "") -> Trial:
            quality = math.fsum(scores) / len(scores) if scores else None
            seconds = round(self.context.clock() - started, 3)
            return Trial.model_validate({
                "settings": settings, "quality": quality, "seconds": seconds,
                "status": status, "rung": rung, "reason": reason,
            })  # fmt: skip

        try:
            for number in range(len(self.folds)):
                scores.append(self._scored(settings, number, row_fraction))
                if reason := self._pruning_reason(scores):
                    return trial("dropped", reason)
        except SearchTimeoutError:
            raise
        except TrialPrunedError as error:
            return trial("dropped", str(error))
        except Exception as error:  # noqa: BLE001 - any error fails only this trial; its text may quote data
            return trial("failed", error.message if isinstance(error, ModeldropError) else type(error).__name__)
        if not math.isfinite(math.fsum(scores)):
            return trial("failed", "its score is not a finite number")
        if row_fraction == 1 and (not self._best or self._beats(math.fsum(scores), math.fsum(self._best))):
            self._best = scores
        return trial("kept")

    def train_batch(self, settings: Sequence[Settings]) -> None:
        """Train several settings at once, if the algorithm can, and cache their scores for the trials that follow.

        Does nothing for a search that prunes. No score is cached if training exceeds half of the remaining search time.
        """
        train_stacked = self.algorithm.train_stacked
        if train_stacked is None or self._prunes:
            return
        configs = [self.algorithm.configure({**self.base, **trial_settings}) for trial_settings in settings]
        for number, task in enumerate(self.folds):
            missing = [
                index
                for index, trial_settings in enumerate(settings)
                if self.cache[cache_key(trial_settings, number, 1.0)] is None
            ]
            if not missing:
                continue
            started = self.context.clock()
            deadline = started + _FIRST_TRIAL_FRACTION * (self.deadline - started)
            context = replace(self.context, deadline=deadline)
            fitted_models = train_stacked([configs[index] for index in missing], task, context)
            for index, fitted in zip(missing, fitted_models or (), strict=False):
                seconds = (self.context.clock() - started) / len(missing)
                self.cache.note(cache_key(settings[index], number, 1.0), self.score(fitted, task.validation), seconds)

    @property
    def _prunes(self) -> bool:
        return self.trials.method in ("random", "bayesian")

    def _beats(self, score: float, best: float) -> bool:
        return score > best if greater_is_better(self.folds[0].metric) else score < best

    def _scored(self, settings: Settings, number: int, row_fraction: float) -> float:
        key = cache_key(settings, number, row_fraction)
        cached = self.cache[key]
        if cached is not None:
            self._longest = max(self._longest, cached[1] / row_fraction)
            return cached[0]
        task = self.folds[number]
        train = sample(task.train, row_fraction, classes=task.classes, seed=task.seed)
        started = self.context.clock()
        curve: dict[int, float] = {}
        config = self.algorithm.configure({**self.base, **settings})
        fitted = self.algorithm.train(
            config,
            replace(task, train=train),
            replace(
                self.context, deadline=self._training_deadline(started, row_fraction), checkpoints=NoCheckpoints(),
                watch=self._watch(curve, config), report=self._report(number, self.context.report),
            ),
        )  # fmt: skip
        score = self.score(fitted, task.validation)
        seconds = self.context.clock() - started
        self._longest = max(self._longest, seconds / row_fraction)
        if curve:
            self._curves.append(curve)
        self.cache.note(key, score, seconds)
        return score

    def _report(self, fold: int, report: Report) -> Report:
        where = f"trial {self.started_trials} of {self.planned}"
        if len(self.folds) > 1:
            where += f", fold {fold + 1} of {len(self.folds)}"
        report(where)
        return lambda text: report(f"{where}, {text}")

    def _training_deadline(self, now: float, row_fraction: float) -> float:
        """Return the time at which this training must end, so that another one on all rows fits before the deadline.

        Raises:
            SearchTimeoutError: There is no time left for both trainings.
        """
        seconds_left = self.deadline - now
        if seconds_left <= 0 or seconds_left < self._longest * (1 + row_fraction):
            raise SearchTimeoutError
        return self.deadline - self._longest if self._longest else now + seconds_left * _FIRST_TRIAL_FRACTION

    def _pruning_reason(self, scores: list[float]) -> str:
        """Return why a trial is pruned after some of its folds; empty: it is not pruned.

        It is pruned if, after at least half of the folds and two, each score is worse than the best trial's by more
        than the range of the best trial's scores.
        """
        scored_folds, best = len(scores), self._best
        if (
            not self._prunes
            or not best
            or scored_folds == len(self.folds)
            or scored_folds < max(2, len(self.folds) // 2)
        ):
            return ""
        spread = max(best) - min(best)
        if all(self._beats(b, s) and abs(b - s) > spread for b, s in zip(best, scores, strict=False)):
            return f"stopped after {scored_folds} of {len(self.folds)} folds: worse than the best trial in each of them"
        return ""

    def _watch(self, curve: dict[int, float], config: AlgorithmConfig) -> Callable[[Mapping[str, float]], None]:
        """Return a ``watch`` that prunes a trial whose lowest loss is worse than the median of the other trials'.

        References:
            Golovin et al. 2017, Google Vizier (median stopping rule).
        """
        min_epoch = _MIN_EPOCH_FRACTION * (config.epochs if isinstance(config, NetworkConfig) else 0)
        compared = self._prunes and not self.trials.space.keys() & _INCOMPARABLE_LOSS_SETTINGS

        def watch(point: Mapping[str, float]) -> None:
            if not compared or "epoch" not in point or "validation_loss" not in point:
                return
            epoch = int(point["epoch"])
            lowest_loss = min(point["validation_loss"], min(curve.values(), default=math.inf))
            curve[epoch] = lowest_loss
            other_losses = sorted(other_curve[epoch] for other_curve in self._curves if epoch in other_curve)
            if len(other_losses) < _MIN_CURVES or epoch < min_epoch:
                return
            if lowest_loss > other_losses[len(other_losses) // 2]:
                raise TrialPrunedError(f"stopped in epoch {epoch}: its loss was worse than that of half of the trials")

        return watch


def cache_key(settings: Settings, fold: int, row_fraction: float) -> str:
    """Return the key of one training of a search: settings, fold and fraction of the rows."""
    return json.dumps([dict(settings), fold, round(row_fraction, 6)], sort_keys=True)
