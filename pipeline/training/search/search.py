"""The search of a candidate's settings: the best of them, and what became of each that was tried."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.outcome import Trial
from pipeline.contracts.records.plan import Trials
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.training.algorithm import Checkpoints, Problem, Recipe, Settings
from pipeline.training.search.methods import METHODS, SearchRequest, planned, quality
from pipeline.training.search.trial_data import make_folds
from pipeline.training.search.trial_runner import Memory, Score, SearchTimeoutError, TrialRunner

__all__ = ["SearchResult", "search"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchResult:
    """``settings``: complete, the best. ``checkpoints``: those of the training that follows."""

    settings: dict[str, Any]
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]
    checkpoints: Checkpoints


def search(recipe: Recipe, fixed: Settings, trials: Trials, problem: Problem, score: Score) -> SearchResult:
    """The best of ``trials.space`` with all else as ``fixed`` has it, by ``score``, which is of ``problem.metric``.

    It ends while there is time left to train with the best, of its share of that until ``problem.deadline``. Raise
    CandidateFailedError on a setting that the recipe does not have, and when every trial failed.
    """
    recipe.check_names(trials.space)
    base = recipe.complete(fixed)
    greater = greater_is_better(problem.metric)
    folds, note = make_folds(problem, trials.cv)
    asked = SearchRequest(trials=trials, base=base, seed=problem.seed, rows=len(folds[0].train), greater=greater)
    trying = TrialRunner(
        recipe=recipe,
        base=base | trials.cheaper,
        folds=folds,
        score=score,
        greater=greater,
        memory=Memory(problem.checkpoints),
        racing=trials.method in ("random", "bayesian"),
        deadline=_until(problem, trials),
        searched=frozenset(trials.space),
        planned=planned(asked),
    )
    done, late = list[Trial](), ""
    try:
        for trial in METHODS[trials.method](asked, trying):
            done.append(trial)
    except SearchTimeoutError:
        late = f"search time ran out after {len(done)} of {trying.planned} trials; the best of these was used"
    best = _best(done, greater=greater)
    if best is None and done:
        raise CandidateFailedError(f"every trial failed, the first because: {done[0].reason}")
    if best is None:
        late = "there was no time for a single trial: the settings are those that the plan begins with"
    return SearchResult(
        settings={**base, **(best.settings if best else {})},
        trials=tuple(_told(done, best)),
        notes=tuple(one for one in (note, late) if one),
        checkpoints=trying.memory,
    )


def _until(problem: Problem, trials: Trials) -> float:
    now = time.monotonic()
    return now + trials.share * (problem.deadline - now)


def _best(done: Sequence[Trial], *, greater: bool) -> Trial | None:
    """Of those that came furthest; the first of equals."""
    kept = [one for one in done if one.status == "kept"]
    if not kept:
        return None
    furthest = max(one.rung for one in kept)
    return max((one for one in kept if one.rung == furthest), key=lambda one: quality(one, greater=greater))


def _told(done: Sequence[Trial], best: Trial | None) -> Iterator[Trial]:
    """With what is known at the end: which is the best, and which did not go on."""
    last = max((one.rung for one in done), default=0)
    for one in done:
        if one is best:
            yield one.model_copy(update={"status": "best"})
        elif one.status == "kept" and one.rung < last and not _was_promoted(one, done):
            yield one.model_copy(update={"status": "dropped", "reason": f"not among the best of rung {one.rung + 1}"})
        else:
            yield one


def _was_promoted(trial: Trial, done: Sequence[Trial]) -> bool:
    return any(one.rung == trial.rung + 1 and one.settings == trial.settings for one in done)
