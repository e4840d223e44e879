"""Fit linear models before a deadline, if necessary with fewer iterations or on a sample of the rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.training.algorithm import RunContext, TrainingTask

__all__ = ["fit_iteratively", "fit_on_rows_in_time"]

_MANY_CELLS = 2_000_000  # cells of the feature matrix times classes; with fewer, a fit takes a second or two
_PROBE_ITERATIONS = 5
_PROBE_DIVISOR = 16  # a fit on 1/16 of the rows is timed, to estimate the time of a fit on all rows
_TIME_MARGIN = 3.0  # a fit runs in one call if the remaining time is at least this many times its estimated time
_CHUNK_SECONDS = 1.0  # target duration of a chunk of iterations, after which the deadline is checked


def fit_iteratively(model: Any, features: Any, task: TrainingTask, context: RunContext) -> tuple[str, ...]:
    """Fit an iterative estimator of scikit-learn until it converges, or until the deadline.

    If there is ample time, ``fit`` is called once. Otherwise the iterations run in chunks, each of which starts from
    the coefficients of the chunk before.

    Args:
        model: An estimator with ``max_iter`` and ``warm_start``.
        features: Features of the training rows [rows, columns], dense or sparse.
        task: Task with the training rows.
        context: Clock, and deadline of the fit.

    Returns:
        A note if time ran out.
    """
    target, weight = task.train.target, task.loss_weight(task.train)
    planned, classes = model.max_iter, len(np.unique(target)) if task.classes else 1
    clock, deadline = context.clock, context.deadline

    def fit(iterations: int, *, warm_start: bool) -> int:
        model.set_params(max_iter=iterations, warm_start=warm_start).fit(features, target, sample_weight=weight)
        return int(np.max(model.n_iter_))

    with warnings.catch_warnings(action="ignore"):
        # Convergence warnings are ignored: the metric shows how good a model is that has not converged.
        if deadline == np.inf or _cells(features) * classes < _MANY_CELLS:
            fit(planned, warm_start=False)
            return ()
        started = clock()
        completed = fit(min(_PROBE_ITERATIONS, planned), warm_start=False)
        seconds_per_iteration = (clock() - started) / max(1, completed)
        if completed < min(_PROBE_ITERATIONS, planned):
            return ()  # converged
        if seconds_per_iteration * planned * _TIME_MARGIN <= deadline - clock():
            fit(planned, warm_start=False)
            return ()
        while completed < planned and clock() + seconds_per_iteration < deadline:
            seconds = min(_CHUNK_SECONDS, deadline - clock())
            iterations = min(planned - completed, max(1, int(seconds / seconds_per_iteration)))
            iterations_run = fit(iterations, warm_start=True)
            completed += iterations_run
            if iterations_run < iterations:
                return ()
    return () if completed >= planned else (f"training time ran out after {completed} of {planned} iterations",)


def fit_on_rows_in_time(model: Any, features: Any, task: TrainingTask, context: RunContext) -> tuple[str, ...]:
    """Fit an estimator that cannot be interrupted, on all rows, or on as many as the deadline allows.

    The time is extrapolated linearly from a fit on a sixteenth of the rows.

    Args:
        model: An estimator of scikit-learn.
        features: Features of the training rows [rows, columns], dense or sparse.
        task: Task with the training rows, and the seed of the sample.
        context: Clock, and deadline of the fit.

    Returns:
        A note if the estimator was fitted on a sample.
    """
    target, weight = task.train.target, task.loss_weight(task.train)
    rows, clock, deadline = len(target), context.clock, context.deadline

    def fit(chosen: npt.NDArray[np.int64] | slice) -> float:
        started = clock()
        model.fit(features[chosen], target[chosen], sample_weight=None if weight is None else weight[chosen])
        return clock() - started

    with warnings.catch_warnings(action="ignore"):
        if deadline == np.inf or _cells(features) < _MANY_CELLS:
            fit(slice(None))
            return ()
        order = np.random.default_rng(task.seed).permutation(rows)
        count = max(1, rows // _PROBE_DIVISOR)
        seconds = fit(np.sort(order[:count]))
        affordable = int(count * (deadline - clock()) / seconds)
        if affordable >= rows:
            fit(slice(None))
            return ()
        if affordable > count:
            count = affordable
            fit(np.sort(order[:count]))
    return (f"training time ran out: it was fitted on a random sample of {count:,} of {rows:,} rows",)


def _cells(features: Any) -> int:
    """Return the number of cells of a dense matrix, or of stored cells of a sparse one."""
    return int(features.nnz if hasattr(features, "nnz") else features.size)
