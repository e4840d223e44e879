"""Search a candidate's settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.contracts.algorithms.config import AlgorithmConfig
from pipeline.contracts.algorithms.hyperparameter import Settings
from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.outcome import Trial
from pipeline.contracts.records.plan import Trials
from pipeline.training.algorithm import Algorithm, Checkpoints, RunContext, TrainingTask
from pipeline.training.search.methods import METHODS, SearchRequest
from pipeline.training.search.trial_data import make_folds
from pipeline.training.search.trial_runner import Score, SearchTimeoutError, TrialCache, TrialRunner

__all__ = ["SearchResult", "search"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchResult:
    """The result of a search.

    Args:
        config: The best settings.
        trials: All trials, in their order.
        notes: Notes for the model card.
        checkpoints: Storage for the training after the search; it also keeps the trials' scores.
    """

    config: AlgorithmConfig
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]
    checkpoints: Checkpoints


def search(  # noqa: PLR0913, PLR0917 - algorithm, space, task and score
    algorithm: Algorithm[Any], fixed: Settings, trials: Trials, task: TrainingTask, context: RunContext, score: Score
) -> SearchResult:
    """Search ``trials.space`` for the settings with the best score.

    The search uses at most the fraction ``trials.share`` of the time until ``context.deadline``; the rest is left for
    the training with the best settings.

    Args:
        algorithm: Trains the trials.
        fixed: Settings that are not searched.
        trials: Space, method and number of trials.
        task: The task of the candidate.
        context: Context of the candidate.
        score: Measures ``task.metric``.

    Raises:
        CandidateFailedError: The algorithm has no such setting, a value is invalid, or every trial failed.
    """
    algorithm.check_names(trials.space)
    base = algorithm.configure(fixed).model_dump()
    folds, note = make_folds(task, trials.cv)
    request, now = SearchRequest(trials=trials, base=base, task=folds[0]), context.clock()
    runner = TrialRunner(
        algorithm=algorithm,
        base=base | trials.cheaper,
        folds=folds,
        context=context,
        score=score,
        cache=TrialCache(context.checkpoints, context.clock),
        trials=trials,
        deadline=now + trials.share * (context.deadline - now),
        planned=request.planned,
    )
    trials_run, timeout_note = list[Trial](), ""
    try:
        for trial in METHODS[trials.method](request, runner):
            trials_run.append(trial)
    except SearchTimeoutError:
        timeout_note = (
            f"search time ran out after {len(trials_run)} of {runner.planned} trials; the best of them was used"
        )
    last_rung = max((trial.rung for trial in trials_run if trial.status == "kept"), default=0)
    best = next(iter(request.best_first(trial for trial in trials_run if trial.rung == last_rung)), None)
    if best is None and trials_run:
        raise CandidateFailedError(f"every trial failed, the first because: {trials_run[0].reason}")
    if best is None:
        timeout_note = "there was no time for a single trial: the plan's initial settings were used"
    return SearchResult(
        config=algorithm.configure({**base, **(best.settings if best else {})}),
        trials=tuple(_finalize(trials_run, best)),
        notes=tuple(note for note in (note, timeout_note) if note),
        checkpoints=runner.cache,
    )


def _finalize(trials: Sequence[Trial], best: Trial | None) -> Iterator[Trial]:
    """Yield the trials with their final status: ``best``, or ``dropped`` if halving did not promote them."""
    last = max((trial.rung for trial in trials), default=0)
    for trial in trials:
        if trial is best:
            yield trial.model_copy(update={"status": "best"})
        elif trial.status == "kept" and trial.rung < last and not _was_promoted(trial, trials):
            yield trial.model_copy(
                update={"status": "dropped", "reason": f"not among the best of rung {trial.rung + 1}"}
            )
        else:
            yield trial


def _was_promoted(trial: Trial, trials: Sequence[Trial]) -> bool:
    return any(other_trial.rung == trial.rung + 1 and other_trial.settings == trial.settings for other_trial in trials)
