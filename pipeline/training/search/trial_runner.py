"""One settings tried: trained and scored on each fold, stopped when it is hopeless, remembered for a later attempt."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.contracts.algorithms.config import AlgorithmConfig
from pipeline.contracts.algorithms.hyperparameter import Settings
from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.errors import ModeldropError
from pipeline.contracts.records.outcome import Trial
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

Score = Callable[[FittedModel, Rows], float]  # of the plan's metric

_FIRST_TRIAL_FRACTION = 0.5  # of the time that is left: the first trial may have so much of it
_MIN_EPOCH_FRACTION = 0.25  # of a trial's epochs: before it no trial is pruned
_MIN_CURVES = 4  # trials before one is compared with them
_INCOMPARABLE_LOSS_SETTINGS = frozenset({"loss", "label_smoothing", "focal_gamma", "huber_delta", "quantiles"})


class SearchTimeoutError(Exception):
    """There is no time left for another trial. It never leaves the search."""


class TrialPrunedError(Exception):
    """A trial's curve is behind those of the others."""


class TrialCache:
    """Scores of an earlier attempt, before the state of the training that follows the search: a Checkpoints of both."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._kept, self.seconds = checkpoints, checkpoints.seconds
        head, _, state = (checkpoints.load() or b"").partition(b"\n")
        try:
            self._scores: dict[str, list[float]] = json.loads(head or b"{}")
            self._state = state
        except ValueError:  # damaged, or not UTF-8: the search begins anew
            self._scores, self._state = {}, b""
        self._saved = time.monotonic()

    def __getitem__(self, key: str) -> list[float] | None:
        """Score and seconds, where they are known."""
        return self._scores.get(key)

    def note(self, key: str, score: float, seconds: float) -> None:
        """Keep the score of a trial's training, and save a checkpoint where one is due."""
        self._scores[key] = [score, seconds]
        if time.monotonic() - self._saved >= self.seconds:
            self.save(self._state)

    def load(self) -> bytes | None:
        """Return the state of the training after the search."""
        return self._state or None

    def save(self, state: bytes) -> None:
        """``state`` is that of the training after the search."""
        self._state, self._saved = state, time.monotonic()
        self._kept.save(json.dumps(self._scores).encode() + b"\n" + state)


@dataclass(kw_only=True)
class TrialRunner:
    """Tries settings on ``folds``. ``prunes``: what is hopeless after some folds or epochs is stopped."""

    algorithm: Algorithm[Any]
    base: Settings
    folds: tuple[TrainingTask, ...]
    context: RunContext
    score: Score
    greater: bool
    cache: TrialCache
    prunes: bool
    deadline: float
    searched: frozenset[str]
    planned: int  # how many there will be
    begun: int = 0
    _longest: float = 0.0  # seconds of one training on all rows
    _best: list[float] = field(default_factory=list)  # the best trial's scores, fold by fold
    _curves: list[dict[int, float]] = field(default_factory=list)  # epoch -> the least loss until then

    def __call__(self, settings: Settings, *, row_fraction: float = 1.0, rung: int = 0) -> Trial:
        """Train and score settings on the folds.

        Args:
            settings: Point of the search space.
            row_fraction: Fraction of the training rows to train on.
            rung: Rung of successive halving.

        Raises:
            SearchTimeoutError: There is no time left for another training.
        """
        started, scores = time.perf_counter(), list[float]()
        self.begun += 1

        def trial(status: str, reason: str = "") -> Trial:
            quality = math.fsum(scores) / len(scores) if scores else None
            seconds = round(time.perf_counter() - started, 3)
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
        except Exception as error:  # noqa: BLE001 - whatever a library raises costs this trial; its words may quote data
            return trial("failed", error.message if isinstance(error, ModeldropError) else type(error).__name__)
        if not math.isfinite(math.fsum(scores)):
            return trial("failed", "its score is not a finite number")
        if row_fraction == 1 and (not self._best or self._beats(math.fsum(scores), math.fsum(self._best))):
            self._best = scores
        return trial("kept")

    def train_batch(self, settings: Sequence[Settings]) -> None:
        """Train them at once where the algorithm can, so that their scores are known when each has its turn.

        Not where the hopeless are stopped; and where half of the time is over before the end, nothing is known.
        """
        train_together = self.algorithm.side_by_side
        if train_together is None or self.prunes:
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
            started = time.monotonic()
            until = started + _FIRST_TRIAL_FRACTION * (self.deadline - started)
            context = replace(self.context, deadline=until)
            fitted_models = train_together([configs[index] for index in missing], task, context)
            for index, fitted in zip(missing, fitted_models or (), strict=False):
                seconds = (time.monotonic() - started) / len(missing)
                self.cache.note(cache_key(settings[index], number, 1.0), self.score(fitted, task.validation), seconds)

    def _beats(self, score: float, best: float) -> bool:
        return score > best if self.greater else score < best

    def _scored(self, settings: Settings, number: int, row_fraction: float) -> float:
        key = cache_key(settings, number, row_fraction)
        cached = self.cache[key]
        if cached is not None:
            self._longest = max(self._longest, cached[1] / row_fraction)
            return cached[0]
        task = self.folds[number]
        train = sample(task.train, row_fraction, classes=task.classes, seed=task.seed)
        started = time.monotonic()
        curve: dict[int, float] = {}
        config = self.algorithm.configure({**self.base, **settings})
        fitted = self.algorithm.train(
            config,
            replace(task, train=train),
            replace(
                self.context, deadline=self._until(started, row_fraction), checkpoints=NoCheckpoints(),
                watch=self._watch(curve, config), report=self._report(number, self.context.report),
            ),
        )  # fmt: skip
        score = self.score(fitted, task.validation)
        seconds = time.monotonic() - started
        self._longest = max(self._longest, seconds / row_fraction)
        if curve:
            self._curves.append(curve)
        self.cache.note(key, score, seconds)
        return score

    def _report(self, fold: int, report: Report) -> Report:
        where = f"trial {self.begun} of {self.planned}"
        if len(self.folds) > 1:
            where += f", fold {fold + 1} of {len(self.folds)}"
        report(where)
        return lambda text: report(f"{where}, {text}")

    def _until(self, now: float, row_fraction: float) -> float:
        """When this training must end, so that one on all rows can follow."""
        seconds_left = self.deadline - now
        if seconds_left <= 0 or seconds_left < self._longest * (1 + row_fraction):
            raise SearchTimeoutError
        return self.deadline - self._longest if self._longest else now + seconds_left * _FIRST_TRIAL_FRACTION

    def _pruning_reason(self, scores: list[float]) -> str:
        """Behind the best trial in each fold by more than the best's own folds differ (after at least half of them)."""
        scored_folds, best = len(scores), self._best
        if (
            not self.prunes
            or not best
            or scored_folds == len(self.folds)
            or scored_folds < max(2, len(self.folds) // 2)
        ):
            return ""
        spread = max(best) - min(best)
        if all(self._beats(b, s) and abs(b - s) > spread for b, s in zip(best, scores, strict=False)):
            return f"stopped after {scored_folds} of {len(self.folds)} folds: behind the best in each of them"
        return ""

    def _watch(self, curve: dict[int, float], config: AlgorithmConfig) -> Callable[[Mapping[str, float]], None]:
        """Return what prunes a trial whose lowest loss is worse than the median (Golovin et al. 2017, Vizier)."""
        min_epoch = _MIN_EPOCH_FRACTION * (config.epochs if isinstance(config, NetworkConfig) else 0)
        compared = self.prunes and not self.searched & _INCOMPARABLE_LOSS_SETTINGS

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
                raise TrialPrunedError(f"stopped in epoch {epoch}: its loss was behind half of the trials' before it")

        return watch


def cache_key(settings: Settings, fold: int, row_fraction: float) -> str:
    """Names one training of a search."""
    return json.dumps([dict(settings), fold, round(row_fraction, 6)], sort_keys=True)
