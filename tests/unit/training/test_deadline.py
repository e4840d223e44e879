"""Trainings whose library has no time limit end near the deadline, with the best model so far."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.training.algorithm import FittedModel, Rows, RunContext, TrainingTask
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.estimators.linear_models import fit_iteratively, fit_on_rows_in_time
from tests.fakes.networks import task

SECONDS = 1.0  # time limit of a training
MAX_SECONDS = 6.0  # processor time, whatever else runs; without a deadline training takes ten times as long


def _rows(rows: int, columns: int, classes: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    num = random.normal(size=(rows, columns)).astype(np.float32)
    scores = num @ np.random.default_rng(9).normal(size=(columns, max(1, classes)))
    noisy = scores + random.gumbel(size=scores.shape)
    target = noisy.argmax(axis=1) if classes else noisy[:, 0] / noisy[:, 0].std()
    return Rows(num=num, cat=np.empty((rows, 0), np.int64), target=target)


def _train(
    algorithm: str, *, rows: int, columns: int, classes: int, **settings: Any
) -> tuple[FittedModel, float, TrainingTask]:
    training_task = task(
        classes=classes,
        train=_rows(rows, columns, classes, 0),
        validation=_rows(500, columns, classes, 1),
    )
    context = RunContext(deadline=time.monotonic() + SECONDS)
    started = time.process_time()
    fitted = ALGORITHMS[algorithm].train(ALGORITHMS[algorithm].configure(settings), training_task, context)
    return fitted, time.process_time() - started, training_task


@pytest.mark.parametrize("algorithm", ["random_forest", "extra_trees"])
@pytest.mark.parametrize("classes", [3, 0])
def test_a_forest_adds_no_more_trees_after_the_deadline(algorithm: str, classes: int) -> None:
    fitted, seconds, training_task = _train(algorithm, rows=20_000, columns=20, classes=classes, n_estimators=5_000)
    assert seconds < MAX_SECONDS
    (note,) = fitted.notes
    assert note.startswith("training time ran out after ")
    assert note.endswith(" of 5000 trees")
    predicted = fitted.predict(training_task.validation)
    if classes:
        assert (predicted.argmax(axis=1) == training_task.validation.target).mean() > 0.5
    else:
        assert np.corrcoef(predicted, training_task.validation.target)[0, 1] > 0.5


@pytest.mark.parametrize("algorithm", ["random_forest", "extra_trees"])
def test_a_forest_grown_in_batches_equals_a_forest_of_one_fit(algorithm: str) -> None:
    training_task = task(rows=200)
    forest = ALGORITHMS[algorithm]
    settings = forest.configure({"n_estimators": 30})
    single_fit = forest.train(settings, training_task, RunContext())
    batches = forest.train(settings, training_task, RunContext(deadline=time.monotonic() + 600))
    np.testing.assert_array_equal(
        single_fit.predict(training_task.validation), batches.predict(training_task.validation)
    )
    assert batches.notes == ()


class SlowLogistic:
    """A logistic regression whose iterations take 0.1 s of its own clock, and which converges after 500."""

    def __init__(self, max_iter: int) -> None:
        self.max_iter, self.warm_start = max_iter, False
        self.now, self.total = 0.0, 0

    def set_params(self, *, max_iter: int, warm_start: bool) -> SlowLogistic:
        self.max_iter, self.warm_start = max_iter, warm_start
        return self

    def fit(self, features: Any, target: Any, sample_weight: Any) -> None:
        self.total = self.total if self.warm_start else 0
        iterations = min(self.max_iter, 500 - self.total)
        self.n_iter_ = np.array([iterations])
        self.total += iterations
        self.now += iterations / 10


@pytest.mark.parametrize(
    ("max_iter", "deadline", "iterations", "is_late"),
    [
        (10_000, 20.0, (190, 200), True),
        (10_000, 0.3, (5, 5), True),
        (10_000, 90.0, (500, 500), False),
        (10, 90.0, (10, 10), False),
        (10_000, np.inf, (500, 500), False),
    ],
    ids=["out of time", "out of time at once", "converged", "few iterations", "no deadline"],
)
def test_a_logistic_regression_stops_iterating_at_the_deadline(
    max_iter: int, deadline: float, iterations: tuple[int, int], is_late: bool
) -> None:
    slow = SlowLogistic(max_iter)
    features, target = np.zeros((60_000, 100), np.float32), np.arange(60_000) % 20
    rows = Rows(num=features, cat=np.empty((60_000, 0), np.int64), target=target)
    context = RunContext(deadline=deadline, clock=lambda: slow.now)
    notes = fit_iteratively(slow, features, task(classes=20, train=rows), context)
    assert iterations[0] <= slow.total <= iterations[1]
    note = f"training time ran out after {slow.total} of {max_iter} iterations"
    assert notes == ((note,) if is_late else ())
    assert slow.now <= deadline or slow.total == 5


class SlowRidge:
    """A ridge regression whose fit takes 1 ms of its own clock per row."""

    def __init__(self) -> None:
        self.now, self.fits = 0.0, list[int]()

    def fit(self, features: Any, target: Any, sample_weight: Any) -> None:
        assert len(features) == len(target) == len(sample_weight)
        self.fits.append(len(target))
        self.now += len(target) / 1000


@pytest.mark.parametrize(
    ("deadline", "fits"),
    [(200.0, [5_000, 80_000]), (45.0, [5_000, 40_000]), (7.0, [5_000]), (-1.0, [5_000]), (np.inf, [80_000])],
)
def test_a_ridge_regression_is_fitted_on_a_sample_if_time_is_short(deadline: float, fits: list[int]) -> None:
    slow = SlowRidge()
    features, target = np.zeros((80_000, 30), np.float32), np.zeros(80_000)
    weight = np.ones(80_000, np.float32)
    rows = Rows(num=features, cat=np.empty((80_000, 0), np.int64), target=target, weight=weight)
    context = RunContext(deadline=deadline, clock=lambda: slow.now)
    notes = fit_on_rows_in_time(slow, features, task(classes=0, train=rows), context)
    assert slow.fits == pytest.approx(fits)
    note = f"training time ran out: it was fitted on a random sample of {fits[-1]:,} of 80,000 rows"
    assert notes == (() if fits[-1] == 80_000 else (note,))


@pytest.mark.parametrize("classes", [0, 2])
def test_kernel_ridge_is_fitted_on_a_sample_if_time_is_short(classes: int) -> None:
    fitted, seconds, training_task = _train("kernel_ridge", rows=9_000, columns=5, classes=classes)
    assert seconds < MAX_SECONDS
    (note,) = fitted.notes
    assert "fitted on a random sample of" in note
    assert np.isfinite(fitted.predict(training_task.validation)).all()


@pytest.mark.parametrize("algorithm", ["linear", "kernel_ridge", "random_forest", "text_linear"])
@pytest.mark.parametrize("classes", [0, 2])
def test_a_training_that_starts_after_the_deadline_still_gives_a_model(algorithm: str, classes: int) -> None:
    training_task = task(classes=classes, rows=90)
    if algorithm == "text_linear":
        training_task = replace(
            training_task, train=_texts(training_task.train), validation=_texts(training_task.validation)
        )
    fitted = ALGORITHMS[algorithm].train(
        ALGORITHMS[algorithm].configure({}), training_task, RunContext(deadline=time.monotonic() - 1)
    )
    assert np.isfinite(fitted.predict(training_task.validation)).all()


def test_text_scores_are_naive_bayes_after_the_deadline() -> None:
    training_task = task(classes=4, rows=400)
    training_task = replace(
        training_task, train=_texts(training_task.train), validation=_texts(training_task.validation)
    )
    algorithm = ALGORITHMS["text_linear"]
    late = algorithm.train(algorithm.configure({}), training_task, RunContext(deadline=time.monotonic() - 1))
    assert late.notes == ("training time ran out: 4 of 4 scores of texts use naive Bayes only",)
    assert (late.predict(training_task.validation).argmax(axis=1) == training_task.validation.target).mean() > 0.9


def _texts(rows: Rows) -> Rows:
    """Make texts in which one word tells the class or the sign of the value, and the other words are random."""
    random = np.random.default_rng(len(rows))
    words = [f"said w{int(target > 0) if rows.target.dtype.kind == 'f' else target}" for target in rows.target]
    text = np.array([[f"{word} x{random.integers(9)} y{random.integers(9)}"] for word in words], object)
    return replace(rows, num=np.empty((len(rows), 0), np.float32), text=text)
