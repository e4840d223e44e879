"""The search methods: grid, random, successive halving, and Bayesian."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from pipeline.contracts.algorithms.hyperparameter import Range, Setting, Settings, Space
from pipeline.contracts.records.outcome import Trial
from pipeline.contracts.records.plan import Trials
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.training.algorithm import TrainingTask
from pipeline.training.search.space import contains, grid, sample_settings
from pipeline.training.search.trial_runner import TrialRunner

if TYPE_CHECKING:
    import optuna

__all__ = ["METHODS", "SearchRequest"]

_ETA = 3  # successive halving promotes one third of the settings to a rung with three times the rows
_MIN_RUNG_ROWS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchRequest:
    """The request of a search.

    Args:
        trials: Space, method and number of trials.
        base: Values of all settings, which trials override.
        task: Task with the metric, the seed of the random settings, and the training rows of a trial on all rows.
    """

    trials: Trials
    base: Settings
    task: TrainingTask

    @property
    def first(self) -> list[Settings]:
        """Return the plan's settings as first trial, if the space contains them, so that a search cannot do worse."""
        space = self.trials.space
        return [{name: self.base[name] for name in space}] if contains(space, self.base) else []

    @property
    def settings(self) -> list[Settings]:
        """Return the settings to try, for methods that do not depend on earlier scores."""
        if self.trials.method == "grid":
            return list(grid(self.trials.space))
        sampled = (
            settings
            for settings in sample_settings(self.trials.space, self.trials.trials, self.task.seed)
            if settings not in self.first
        )
        return [*self.first, *sampled][: self.trials.trials]

    @property
    def rungs(self) -> list[tuple[float, int]]:
        """Return (fraction of the rows, number of settings) of each rung of successive halving; the last has all rows.

        A rung has at least 200 rows, so that small data has fewer rungs.
        """
        count = len(self.settings)
        steps = int(math.log(max(1, count), _ETA) + 1e-9)
        fractions = [float(_ETA) ** -step for step in range(steps, 0, -1)]
        fractions = [*(fraction for fraction in fractions if fraction * len(self.task.train) >= _MIN_RUNG_ROWS), 1.0]
        return [(fraction, max(1, count // _ETA**rung)) for rung, fraction in enumerate(fractions)]

    @property
    def planned(self) -> int:
        """Return the planned number of trials."""
        if self.trials.method == "bayesian":
            return self.trials.trials
        if self.trials.method == "halving":
            return sum(count for _, count in self.rungs)
        return len(self.settings)

    def best_first(self, trials: Iterable[Trial]) -> list[Trial]:
        """Return the scored trials, the best first; trials with equal scores keep their order."""
        scored = (trial for trial in trials if trial.status == "kept" and trial.quality is not None)
        return sorted(scored, key=attrgetter("quality"), reverse=greater_is_better(self.task.metric))


def _sequential(request: SearchRequest, runner: TrialRunner) -> Iterator[Trial]:
    runner.train_batch(request.settings)
    yield from map(runner, request.settings)


def _halving(request: SearchRequest, runner: TrialRunner) -> Iterator[Trial]:
    """Run successive halving: each rung promotes the best third of its settings to three times the rows.

    References:
        Jamieson and Talwalkar 2016, Non-stochastic Best Arm Identification and Hyperparameter Optimization.
    """
    survivors = request.settings
    for rung, (row_fraction, count) in enumerate(request.rungs):
        trials = []
        for settings in survivors[:count]:
            trials.append(runner(settings, row_fraction=row_fraction, rung=rung))
            yield trials[-1]
        survivors = [trial.settings for trial in request.best_first(trials)]


def _bayesian(request: SearchRequest, runner: TrialRunner) -> Iterator[Trial]:
    """Run Optuna's tree-structured Parzen estimator, seeded, so that equal scores lead to equal settings.

    References:
        Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space, count = request.trials.space, request.trials.trials
    sampler = optuna.samplers.TPESampler(seed=request.task.seed, n_startup_trials=max(3, min(10, count // 2)))
    study = optuna.create_study(
        direction="maximize" if greater_is_better(request.task.metric) else "minimize", sampler=sampler
    )
    distributions = {name: _distribution(among) for name, among in space.items()}
    for settings in request.first:
        study.enqueue_trial({name: _encode(space[name], value) for name, value in settings.items()})
    for _ in range(count):
        question = study.ask(distributions)
        trial = runner(_decode(space, question.params))
        if trial.status == "kept":
            study.tell(question, trial.quality)
        else:
            study.tell(question, state=optuna.trial.TrialState.FAIL)
        yield trial


def _distribution(values: Range | tuple[Setting, ...]) -> optuna.distributions.BaseDistribution:
    from optuna import distributions

    if not isinstance(values, Range):
        return distributions.CategoricalDistribution(range(len(values)))  # by index: a value may be a tuple
    if values.whole:
        return distributions.IntDistribution(round(values.low), round(values.high), log=values.log)
    return distributions.FloatDistribution(values.low, values.high, log=values.log)


def _encode(values: Range | tuple[Setting, ...], value: Setting) -> Any:
    return value if isinstance(values, Range) else values.index(value)


def _decode(space: Space, params: dict[str, Any]) -> Settings:
    return {name: params[name] if isinstance(values, Range) else values[params[name]] for name, values in space.items()}


METHODS: dict[str, Callable[[SearchRequest, TrialRunner], Iterable[Trial]]] = {
    "grid": _sequential,
    "random": _sequential,
    "halving": _halving,
    "bayesian": _bayesian,
}
