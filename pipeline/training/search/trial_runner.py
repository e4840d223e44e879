"""One settings tried: trained and scored on each fold, stopped when it is hopeless, remembered for a later attempt."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.contracts.errors import ModeldropError
from pipeline.contracts.records.outcome import Trial
from pipeline.training.algorithm import Checkpoints, FittedModel, NoCheckpoints, Problem, Recipe, Report, Rows, Settings
from pipeline.training.search.trial_data import sample

__all__ = ["Memory", "Score", "SearchTimeoutError", "TrialRunner", "key_of"]

Score = Callable[[FittedModel, Rows], float]  # of the plan's metric

_FIRST_SHARE = 0.5  # of the time that is left: the first trial may have so much of it
_EARLIEST_EPOCH = 0.25  # of a trial's epochs: before it none is called hopeless
_FEWEST_CURVES = 4  # trials before one is compared with them
_INCOMPARABLE_LOSS_SETTINGS = frozenset({"loss", "label_smoothing", "focal_gamma", "huber_delta", "quantiles"})


class SearchTimeoutError(Exception):
    """There is no time left for another trial. It never leaves the search."""


class TrialPrunedError(Exception):
    """A trial's curve is behind those of the others."""


class Memory:
    """Scores of an earlier attempt, before the state of the training that follows the search: a Checkpoints of both."""

    def __init__(self, kept: Checkpoints) -> None:
        self._kept, self.seconds = kept, kept.seconds
        head, _, state = (kept.load() or b"").partition(b"\n")
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
        self._scores[key] = [score, seconds]
        if time.monotonic() - self._saved >= self.seconds:
            self.save(self._state)

    def load(self) -> bytes | None:
        return self._state or None

    def save(self, state: bytes) -> None:
        """``state`` is that of the training after the search."""
        self._state, self._saved = state, time.monotonic()
        self._kept.save(json.dumps(self._scores).encode() + b"\n" + state)


@dataclass(kw_only=True)
class TrialRunner:
    """Tries settings on ``folds``. ``racing``: what is hopeless after some folds or epochs is stopped."""

    recipe: Recipe
    base: Settings
    folds: tuple[Problem, ...]
    score: Score
    greater: bool
    memory: Memory
    racing: bool
    deadline: float
    searched: frozenset[str]
    planned: int  # how many there will be
    begun: int = 0
    _longest: float = 0.0  # seconds of one training on all rows
    _best: list[float] = field(default_factory=list)  # the best trial's scores, fold by fold
    _curves: list[dict[int, float]] = field(default_factory=list)  # epoch -> the least loss until then

    def __call__(self, settings: Mapping[str, Any], *, share: float = 1.0, rung: int = 0) -> Trial:
        """``share`` of the training rows. Raise SearchTimeoutError before a training for which no time is left."""
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
                scores.append(self._scored(settings, number, share))
                if why := self._hopeless(scores):
                    return trial("dropped", why)
        except SearchTimeoutError:
            raise
        except TrialPrunedError as error:
            return trial("dropped", str(error))
        except Exception as error:  # noqa: BLE001 - whatever a library raises costs this trial; its words may quote data
            return trial("failed", error.message if isinstance(error, ModeldropError) else type(error).__name__)
        if not math.isfinite(math.fsum(scores)):
            return trial("failed", "its score is not a finite number")
        if share == 1 and (not self._best or self._beats(math.fsum(scores), math.fsum(self._best))):
            self._best = scores
        return trial("kept")

    def several(self, settings: Sequence[Mapping[str, Any]]) -> None:
        """Train them at once where the recipe can, so that their scores are known when each has its turn.

        Not where the hopeless are stopped; and where half of the time is over before the end, nothing is known.
        """
        together = self.recipe.side_by_side
        if together is None or self.racing:
            return
        complete = [self.recipe.complete({**self.base, **one}) for one in settings]
        for number, problem in enumerate(self.folds):
            missing = [place for place, one in enumerate(settings) if self.memory[key_of(one, number, 1.0)] is None]
            if not missing:
                continue
            started = time.monotonic()
            until = started + _FIRST_SHARE * (self.deadline - started)
            found = together([complete[place] for place in missing], replace(problem, deadline=until))
            for place, fitted in zip(missing, found or (), strict=False):
                seconds = (time.monotonic() - started) / len(missing)
                self.memory.note(key_of(settings[place], number, 1.0), self.score(fitted, problem.validation), seconds)

    def _beats(self, one: float, other: float) -> bool:
        return one > other if self.greater else one < other

    def _scored(self, settings: Mapping[str, Any], number: int, share: float) -> float:
        key = key_of(settings, number, share)
        known = self.memory[key]
        if known is not None:
            self._longest = max(self._longest, known[1] / share)
            return known[0]
        problem = self.folds[number]
        train = sample(problem.train, share, classes=problem.classes, seed=problem.seed)
        started = time.monotonic()
        curve: dict[int, float] = {}
        complete = self.recipe.complete({**self.base, **settings})
        fitted = self.recipe.train(
            complete,
            replace(
                problem, train=train, deadline=self._until(started, share), checkpoints=NoCheckpoints(),
                watch=self._watch(curve, complete), report=self._report(number, problem.report),
            ),
        )  # fmt: skip
        score = self.score(fitted, problem.validation)
        seconds = time.monotonic() - started
        self._longest = max(self._longest, seconds / share)
        if curve:
            self._curves.append(curve)
        self.memory.note(key, score, seconds)
        return score

    def _report(self, fold: int, report: Report) -> Report:
        where = f"trial {self.begun} of {self.planned}"
        if len(self.folds) > 1:
            where += f", fold {fold + 1} of {len(self.folds)}"
        report(where)
        return lambda text: report(f"{where}, {text}")

    def _until(self, now: float, share: float) -> float:
        """When this training must end, so that one on all rows can follow."""
        left = self.deadline - now
        if left <= 0 or left < self._longest * (1 + share):
            raise SearchTimeoutError
        return self.deadline - self._longest if self._longest else now + left * _FIRST_SHARE

    def _hopeless(self, scores: list[float]) -> str:
        """Behind the best trial in each fold by more than the best's own folds differ (after at least half of them)."""
        done, best = len(scores), self._best
        if not self.racing or not best or done == len(self.folds) or done < max(2, len(self.folds) // 2):
            return ""
        spread = max(best) - min(best)
        if all(self._beats(b, s) and abs(b - s) > spread for b, s in zip(best, scores, strict=False)):
            return f"stopped after {done} of {len(self.folds)} folds: behind the best in each of them"
        return ""

    def _watch(self, curve: dict[int, float], settings: Settings) -> Callable[[Mapping[str, float]], None]:
        """The median rule (Golovin et al. 2017, Vizier): its least loss is worse than most others' were by then."""
        compared = self.racing and not self.searched & _INCOMPARABLE_LOSS_SETTINGS

        def watch(point: Mapping[str, float]) -> None:
            if not compared or "epoch" not in point or "validation_loss" not in point:
                return
            epoch = int(point["epoch"])
            least = min(point["validation_loss"], min(curve.values(), default=math.inf))
            curve[epoch] = least
            others = sorted(one[epoch] for one in self._curves if epoch in one)
            if len(others) < _FEWEST_CURVES or epoch < _EARLIEST_EPOCH * settings.get("epochs", 0):
                return
            if least > others[len(others) // 2]:
                raise TrialPrunedError(f"stopped in epoch {epoch}: its loss was behind half of the trials' before it")

        return watch


def key_of(settings: Mapping[str, Any], fold: int, share: float) -> str:
    """Names one training of a search."""
    return json.dumps([dict(settings), fold, round(share, 6)], sort_keys=True)
