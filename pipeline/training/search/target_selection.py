"""Choose the transform of a regression's target with the best metric on held-out rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.training.algorithm import Algorithm, ConfigT, RunContext, TrainingTask
from pipeline.training.features.target_transform import TargetTransform
from pipeline.training.resampling.folds import make_folds
from pipeline.training.search.trial_data import sample

__all__ = ["ValueScore", "select_target_transform"]

Floats = npt.NDArray[np.floating[Any]]
ValueScore = Callable[[Floats, Floats, "Floats | None"], float]  # predicted and true values, weight -> the metric

_FOLDS = 2
_MAX_ROWS = 2_000  # training rows of a comparison; with more rows, only one fold is held out
_MAX_HELD_ROWS = 10_000
_MIN_GAIN = 0.01  # fraction of the metric by which another transform must be better
_BOOTSTRAP_SAMPLES = 50
_TIME_FRACTION, _MAX_SECONDS = 0.1, 30.0  # of all comparisons: fraction of the remaining time, and upper bound


@dataclass(frozen=True, kw_only=True, slots=True)
class _HeldOutRows:
    """Predicted values of held-out rows, their true values and their weights [rows]."""

    values: Floats
    truth: Floats
    weight: Floats | None


_log = logging.getLogger(__name__)


def select_target_transform(  # noqa: PLR0913, PLR0917 - algorithm, task, transforms and score
    algorithm: Algorithm[ConfigT],
    config: ConfigT,
    task: TrainingTask,
    context: RunContext,
    transforms: Sequence[TargetTransform],
    score: ValueScore,
) -> tuple[TargetTransform, str]:
    """Compare transforms of the target by the metric of held-out rows.

    A transform replaces the first one if its metric is better by 1 %, and by more than a standard error.

    Args:
        algorithm: Trains with each transform.
        config: Hyper-parameters of the candidate.
        task: Task with the first transform, and all rows in ``train``.
        context: Context of the candidate; the comparison uses at most a tenth of the time until its deadline.
        transforms: The transforms; the first is used without a comparison.
        score: Measures the metric of values in the target's own units.

    Returns:
        The transform, and a note on the comparison; the note is empty if there was none.
    """
    plain = transforms[0]
    if len(transforms) < 2:
        return plain, ""
    now = context.clock()
    deadline = now + min(_MAX_SECONDS, (context.deadline - now) * _TIME_FRACTION)
    unobserved = replace(context.without_observers(), deadline=deadline)
    outcomes: dict[int, _HeldOutRows] = {}
    for number, transform in enumerate(transforms):
        context.report(f"compares {transform.description}")
        try:
            held_out = _predict_held_out(algorithm, config, task, unobserved, plain, transform)
        except Exception as error:  # noqa: BLE001 - libraries raise anything; the actual training decides
            _log.warning("a transform was not compared", extra={"transform": transform.description}, exc_info=error)
            continue
        if context.clock() > deadline:  # the deadline may have stopped this training early
            break
        outcomes[number] = held_out
    if 0 not in outcomes or len(outcomes) < 2:
        return plain, ""
    sign = 1 if greater_is_better(task.metric) else -1
    scores = {number: score(outcome.values, outcome.truth, outcome.weight) for number, outcome in outcomes.items()}
    best = max(scores, key=lambda number: sign * scores[number])
    is_better = best and _is_better(outcomes[best], outcomes[0], score, sign, task.seed)
    chosen = transforms[best] if is_better else plain
    measured = ", ".join(f"{value:.6g} with {transforms[number].description}" for number, value in scores.items())
    rows = len(outcomes[0].truth)
    return chosen, f"it learns {chosen.description}: {task.metric} on {rows:,} held-out rows is {measured}"


def _is_better(outcome: _HeldOutRows, plain: _HeldOutRows, score: ValueScore, sign: int, seed: int) -> bool:
    """Return whether the metric is better by 1 %, and by more than its standard error over bootstrap samples."""
    random = np.random.default_rng(seed)
    rows = len(plain.truth)
    weight = np.ones(rows) if plain.weight is None else plain.weight

    def gain(counts: Floats) -> float:
        return sign * (score(outcome.values, outcome.truth, counts) - score(plain.values, plain.truth, counts))

    gains = [gain(weight * random.multinomial(rows, np.full(rows, 1 / rows))) for _ in range(_BOOTSTRAP_SAMPLES)]
    needed = max(_MIN_GAIN * abs(score(plain.values, plain.truth, weight)), float(np.std(gains)))
    return gain(weight) > needed


def _predict_held_out(  # noqa: PLR0913, PLR0917 - as above
    algorithm: Algorithm[ConfigT],
    config: ConfigT,
    task: TrainingTask,
    context: RunContext,
    plain: TargetTransform,
    transform: TargetTransform,
) -> _HeldOutRows:
    """Train on each fold, and predict its held-out rows."""
    rows = task.train
    folds = make_folds(rows, 0, _FOLDS, task.seed)
    if len(rows) > _MAX_ROWS or algorithm.spec.is_network:  # a second fold would take too long
        folds = folds[-1:]
    predicted, held_rows = [], []
    for fold in folds:
        train, held = rows.take(fold.train), rows.take(fold.held)
        train = sample(train, min(1.0, _MAX_ROWS / len(train)), classes=0, seed=task.seed)
        held = sample(held, min(1.0, _MAX_HELD_ROWS / len(held)), classes=0, seed=task.seed)
        transformed = (transform.apply(split, plain.denormalize_targets(split.target)) for split in (train, held))
        model = algorithm.train(config, transform.apply_to_task(task, *transformed), context)
        predictions = model.predict(held)
        predicted.append(predictions[:, 0] if predictions.ndim == 2 else predictions)
        held_rows.append(held)
    truth = np.concatenate([plain.denormalize_targets(held.target) for held in held_rows])
    weights = [held.weight for held in held_rows if held.weight is not None]
    weight = np.concatenate(weights) if weights else None
    outputs = np.concatenate(predicted).astype(np.float64)
    inverse = transform.smeared(outputs, transform.forward(truth), weight).inverse
    return _HeldOutRows(values=inverse(outputs), truth=truth, weight=weight)
