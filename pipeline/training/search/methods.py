"""What a search tries in which order: grid, random, halving, Bayesian."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.contracts.algorithm_spec import Range, Setting, Space
from pipeline.contracts.records.outcome import Trial
from pipeline.contracts.records.plan import Trials
from pipeline.training.search.space import drawn, grid, holds
from pipeline.training.search.trial_runner import TrialRunner

if TYPE_CHECKING:
    import optuna

__all__ = ["METHODS", "SearchRequest", "planned", "quality"]

_ETA = 3  # of halving: a third goes on, on three times the rows
_LEAST_ROWS = 200  # of a rung: fewer tell little


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchRequest:
    """A search. ``base``: complete settings that it begins with; ``rows``: that a trial learns from, at most."""

    trials: Trials
    base: Mapping[str, Any]
    seed: int
    rows: int
    greater: bool

    @property
    def first(self) -> list[dict[str, Setting]]:
        """What the plan begins with, where the space holds it: the search is then never behind it."""
        space = self.trials.space
        return [{name: self.base[name] for name in space}] if holds(space, self.base) else []

    @property
    def settings(self) -> list[dict[str, Setting]]:
        """Those of a search that does not learn from what it has seen."""
        if self.trials.method == "grid":
            return list(grid(self.trials.space))
        others = (one for one in drawn(self.trials.space, self.trials.trials, self.seed) if one not in self.first)
        return [*self.first, *others][: self.trials.trials]

    @property
    def rungs(self) -> list[tuple[float, int]]:
        """Of halving: the share of the rows and how many settings are tried on it. The last share is 1.

        A rung has at least 200 rows: small data has fewer rungs.
        """
        count = len(self.settings)
        steps = int(math.log(max(1, count), _ETA) + 1e-9)
        shares = [float(_ETA) ** -step for step in range(steps, 0, -1)]
        shares = [*(share for share in shares if share * self.rows >= _LEAST_ROWS), 1.0]
        return [(share, max(1, count // _ETA**rung)) for rung, share in enumerate(shares)]


def planned(asked: SearchRequest) -> int:
    """How many trials there will be."""
    if asked.trials.method == "bayesian":
        return asked.trials.trials
    if asked.trials.method == "halving":
        return sum(count for _, count in asked.rungs)
    return len(asked.settings)


def quality(trial: Trial, *, greater: bool) -> float:
    """Higher is better."""
    if trial.quality is None or trial.status == "failed":
        return -math.inf
    return trial.quality if greater else -trial.quality


def _sequential(asked: SearchRequest, trying: TrialRunner) -> Iterator[Trial]:
    trying.several(asked.settings)
    yield from map(trying, asked.settings)


def _halving(asked: SearchRequest, trying: TrialRunner) -> Iterator[Trial]:
    """Successive halving (Jamieson and Talwalkar 2016): a third of the settings goes on, on three times the rows."""
    alive = asked.settings
    for rung, (share, count) in enumerate(asked.rungs):
        tried = []
        for settings in alive[:count]:
            tried.append(trying(settings, share=share, rung=rung))
            yield tried[-1]
        kept = [one for one in tried if one.status == "kept"]
        alive = [
            one.settings for one in sorted(kept, key=lambda one: quality(one, greater=asked.greater), reverse=True)
        ]


def _bayesian(asked: SearchRequest, trying: TrialRunner) -> Iterator[Trial]:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), seeded: the same scores, the same questions."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space, count = asked.trials.space, asked.trials.trials
    sampler = optuna.samplers.TPESampler(seed=asked.seed, n_startup_trials=max(3, min(10, count // 2)))
    study = optuna.create_study(direction="maximize" if asked.greater else "minimize", sampler=sampler)
    distributions = {name: _distribution(among) for name, among in space.items()}
    for settings in asked.first:
        study.enqueue_trial({name: _as_told(space[name], value) for name, value in settings.items()})
    for _ in range(count):
        question = study.ask(distributions)
        trial = trying(_as_settings(space, question.params))
        if trial.status == "kept":
            study.tell(question, trial.quality)
        else:
            study.tell(question, state=optuna.trial.TrialState.FAIL)
        yield trial


def _distribution(among: Range | tuple[Setting, ...]) -> optuna.distributions.BaseDistribution:
    from optuna import distributions

    if not isinstance(among, Range):
        return distributions.CategoricalDistribution(range(len(among)))  # by its place: a value may be a tuple
    if among.whole:
        return distributions.IntDistribution(round(among.low), round(among.high), log=among.log)
    return distributions.FloatDistribution(among.low, among.high, log=among.log)


def _as_told(among: Range | tuple[Setting, ...], value: Setting) -> Any:
    return value if isinstance(among, Range) else among.index(value)


def _as_settings(space: Space, params: dict[str, Any]) -> dict[str, Setting]:
    return {name: params[name] if isinstance(among, Range) else among[params[name]] for name, among in space.items()}


METHODS: dict[str, Callable[[SearchRequest, TrialRunner], Iterable[Trial]]] = {
    "grid": _sequential,
    "random": _sequential,
    "halving": _halving,
    "bayesian": _bayesian,
}
