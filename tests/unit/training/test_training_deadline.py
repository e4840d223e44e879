"""Trainings that no library interrupts end near the deadline, with the best so far."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.training.algorithm import FittedModel, Problem, Rows
from pipeline.training.algorithms import RECIPES
from pipeline.training.estimators.linear_models import fit_on_rows_in_time
from tests.fakes.networks import problem

SECONDS = 1.0  # that a training has
MAX_SECONDS = 6.0  # of the processor, however busy the machine is; without a deadline it would take ten times as long


def _rows(rows: int, columns: int, classes: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    num = random.normal(size=(rows, columns)).astype(np.float32)
    scores = num @ np.random.default_rng(9).normal(size=(columns, max(1, classes)))
    noisy = scores + random.gumbel(size=scores.shape)
    target = noisy.argmax(axis=1) if classes else noisy[:, 0] / noisy[:, 0].std()
    return Rows(num=num, cat=np.empty((rows, 0), np.int64), target=target)


def _train(
    algorithm: str, *, rows: int, columns: int, classes: int, **settings: Any
) -> tuple[FittedModel, float, Problem]:
    given = problem(
        classes=classes,
        train=_rows(rows, columns, classes, 0),
        validation=_rows(500, columns, classes, 1),
        deadline=time.monotonic() + SECONDS,
    )
    began = time.process_time()
    fitted = RECIPES[algorithm].train(RECIPES[algorithm].complete(settings), given)
    return fitted, time.process_time() - began, given


@pytest.mark.parametrize("algorithm", ["random_forest", "extra_trees"])
@pytest.mark.parametrize("classes", [3, 0])
def test_a_forest_has_the_trees_that_there_was_time_for(algorithm: str, classes: int) -> None:
    fitted, seconds, given = _train(algorithm, rows=20_000, columns=20, classes=classes, n_estimators=5_000)
    assert seconds < MAX_SECONDS
    (note,) = fitted.notes
    assert note.startswith("training time ran out after ")
    assert note.endswith(" of 5000 trees")
    predicted = fitted.predict(given.validation)
    if classes:
        assert (predicted.argmax(axis=1) == given.validation.target).mean() > 0.5
    else:
        assert np.corrcoef(predicted, given.validation.target)[0, 1] > 0.5


@pytest.mark.parametrize("algorithm", ["random_forest", "extra_trees"])
def test_a_forest_grown_in_batches_is_that_of_one_fit(algorithm: str) -> None:
    given = problem(rows=200)
    recipe = RECIPES[algorithm]
    settings = recipe.complete({"n_estimators": 30})
    whole = recipe.train(settings, given)
    batches = recipe.train(settings, replace(given, deadline=time.monotonic() + 600))
    np.testing.assert_array_equal(whole.predict(given.validation), batches.predict(given.validation))
    assert batches.notes == ()


def test_a_logistic_regression_has_the_iterations_that_there_was_time_for() -> None:
    fitted, seconds, given = _train("linear", rows=60_000, columns=100, classes=20, C=1e9, max_iter=100_000)
    assert seconds < MAX_SECONDS
    (note,) = fitted.notes
    assert note.endswith(" of 100000 iterations")
    assert (fitted.predict(given.validation).argmax(axis=1) == given.validation.target).mean() > 0.5


class SlowRidge:
    """Its fit takes a millisecond a row, by a clock of its own."""

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
def test_a_ridge_regression_is_fitted_on_the_rows_that_there_is_time_for(deadline: float, fits: list[int]) -> None:
    slow = SlowRidge()
    features, target = np.zeros((80_000, 30), np.float32), np.zeros(80_000)
    weight = np.ones(80_000, np.float32)
    notes = fit_on_rows_in_time(slow, features, target, weight, deadline, seed=0, clock=lambda: slow.now)
    assert slow.fits == pytest.approx(fits)
    note = f"training time ran out: it was fitted on a random sample of {fits[-1]:,} of 80,000 rows"
    assert notes == (() if fits[-1] == 80_000 else (note,))


@pytest.mark.parametrize("classes", [0, 2])
def test_kernel_ridge_is_fitted_on_the_rows_that_there_was_time_for(classes: int) -> None:
    fitted, seconds, given = _train("kernel_ridge", rows=9_000, columns=5, classes=classes)
    assert seconds < MAX_SECONDS
    (note,) = fitted.notes
    assert "fitted on a random sample of" in note
    assert np.isfinite(fitted.predict(given.validation)).all()


@pytest.mark.parametrize("algorithm", ["linear", "kernel_ridge", "random_forest", "text_linear"])
@pytest.mark.parametrize("classes", [0, 2])
def test_what_begins_after_the_deadline_gives_a_model_all_the_same(algorithm: str, classes: int) -> None:
    given = problem(classes=classes, rows=90, deadline=time.monotonic() - 1)
    if algorithm == "text_linear":
        given = replace(given, train=_texts(given.train), validation=_texts(given.validation))
    fitted = RECIPES[algorithm].train(RECIPES[algorithm].complete({}), given)
    assert np.isfinite(fitted.predict(given.validation)).all()


def test_texts_for_whose_classes_there_is_no_time_are_read_by_naive_bayes() -> None:
    given = problem(classes=4, rows=400)
    given = replace(given, train=_texts(given.train), validation=_texts(given.validation))
    recipe = RECIPES["text_linear"]
    late = recipe.train(recipe.complete({}), replace(given, deadline=time.monotonic() - 1))
    assert late.notes == ("training time ran out: 4 of 4 scores of texts are naive Bayes'",)
    assert (late.predict(given.validation).argmax(axis=1) == given.validation.target).mean() > 0.9


def _texts(rows: Rows) -> Rows:
    """A word tells the class, or the value's sign, among others that say nothing."""
    random = np.random.default_rng(len(rows))
    words = [f"said w{int(target > 0) if rows.target.dtype.kind == 'f' else target}" for target in rows.target]
    text = np.array([[f"{word} x{random.integers(9)} y{random.integers(9)}"] for word in words], object)
    return replace(rows, num=np.empty((len(rows), 0), np.float32), text=text)
