"""Kernel ridge: its closed forms are those of the definition."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import Rows, RunContext
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.estimators.kernel_machine import KernelMachine
from tests.fakes.networks import points, task

ALGORITHM = ALGORITHMS["kernel_ridge"]
FIXED = {"kinds": ("gaussian",), "widths": (1.0,), "penalties": (0.1,)}


def _rows(count: int = 40, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 3)).astype(np.float32)
    return features, np.sin(2 * features[:, 0].astype(np.float64)) + features[:, 1]


def _machine(
    features: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None, classes: int = 0, **changed: Any
) -> KernelMachine:
    rows = Rows(num=features, cat=np.empty((len(features), 0), np.int64), target=target, weight=weight)
    learned = task(classes=classes, train=rows, seed=0)
    return KernelMachine.of(features, learned, **{"scaled": 0, **FIXED, **changed})


def test_it_solves_the_ridge_that_it_is_named_for() -> None:
    features, target = _rows()
    machine = _machine(features, target)
    squared = np.square(features[:, None].astype(np.float64) - features).sum(axis=2)
    matrix = np.exp(-machine.kernel.width * squared)
    wanted = np.linalg.solve(matrix + 0.1 * np.eye(len(matrix)), target - target.mean())
    np.testing.assert_allclose(machine.predict(features), matrix @ wanted + target.mean(), atol=1e-9)


def test_the_sharpness_is_fitted_to_leave_one_out_predictions() -> None:
    """With each row once in three classes of noise, nothing can be told: the softmax is flat."""
    features, _ = _rows(90)
    noise = np.arange(90) % 3
    signal = np.digitize(features[:, 0], [-0.5, 0.5])
    flat, sure = (_machine(features, target, classes=3).predict(features) for target in (noise, signal))
    assert flat.max() < 0.6
    assert sure.max(axis=1).mean() > 0.8
    np.testing.assert_allclose(sure.sum(axis=1), 1)


def test_the_width_and_the_penalty_have_the_least_leave_one_out_error() -> None:
    features, target = _rows(60)
    choice = {"widths": (0.1, 1.0, 10.0), "penalties": (0.01, 0.1, 1.0)}
    chosen = _machine(features, target, **choice)
    errors = {}
    for width in choice["widths"]:
        for penalty in choice["penalties"]:
            missed = []
            for row in range(len(target)):
                rest = np.arange(len(target)) != row
                # the offset is that of all rows, as the closed form has it
                shifted = target - target.mean()
                one = _machine(features, target, widths=(width,), penalties=(penalty,))
                squared = np.square(features[:, None].astype(np.float64) - features).sum(axis=2)
                matrix = one.kernel.of(squared)
                weights = np.linalg.solve(matrix[np.ix_(rest, rest)] + penalty * np.eye(rest.sum()), shifted[rest])
                missed.append(shifted[row] - matrix[row, rest] @ weights)
            errors[one.kernel] = np.square(missed).mean()
    assert chosen.kernel == min(errors, key=lambda one: errors[one])


def test_a_row_counts_as_its_weight_says_and_one_of_none_is_none() -> None:
    features, target = _rows(30)
    weight = np.ones(30, np.float32)
    weight[:5], weight[5:10] = 2, 0
    weighted = _machine(features, target, weight)
    there = weight > 0
    counts = weight[there] / weight[there].mean()
    offset = np.average(target[there], weights=counts)
    squared = np.square(features[there][:, None].astype(np.float64) - features[there]).sum(axis=2)
    matrix = weighted.kernel.of(squared)
    wanted = matrix @ np.linalg.solve(matrix + 0.1 * np.diag(1 / counts), target[there] - offset) + offset
    np.testing.assert_allclose(weighted.predict(features[there]), wanted, atol=1e-6)
    without = _machine(features[there], target[there], weight[there])
    np.testing.assert_allclose(weighted.predict(features), without.predict(features), atol=1e-6)


def test_a_column_that_never_changes_and_rows_that_are_the_same_do_no_harm() -> None:
    features = np.ones((40, 2), np.float32)
    features[:20, 1] = 0
    answers = _machine(features, np.repeat([0.0, 1.0], 20), scaled=2, widths=(), penalties=()).predict(features)
    np.testing.assert_allclose(answers, np.repeat([0.0, 1.0], 20), atol=0.05)


@pytest.mark.parametrize("kernel", ["gaussian", "exponential"])
def test_its_settings_are_taken_as_they_are(kernel: str) -> None:
    fitted = ALGORITHM.train(
        ALGORITHM.configure({"kernel": kernel, "width": 0.5, "penalty": 1.0}), task(classes=0), RunContext()
    )
    told = [
        tuple(one.predict(points(20, classes=0, seed=9)))
        for one in (fitted, ALGORITHM.train(ALGORITHM.configure({}), task(classes=0), RunContext()))
    ]
    assert told[0] != told[1]


def test_more_rows_than_a_matrix_of_them_has_memory_for_are_refused_in_a_sentence() -> None:
    training_task = task()
    many = np.zeros(10_001, np.int64)
    with pytest.raises(CandidateFailedError, match=r"at most 10,000 training rows are expected, and there are 10,001"):
        ALGORITHM.train(
            ALGORITHM.configure({}), replace(training_task, train=training_task.train.take(many)), RunContext()
        )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"kernel": "rbf"}, "kernel: unknown value 'rbf': one of auto, gaussian, exponential is expected"),
        ({"kernel": "gausian"}, "kernel: unknown value 'gausian': did you mean 'gaussian'"),
        ({"width": -1.0}, r"width: -1.0 is not allowed: a number of at least 0 and at most 10000000000 is expected"),
        ({"penalty": -0.5}, "penalty: -0.5 is not allowed: a number of at least 0"),
        ({"width": float("nan")}, "width: nan is not allowed: a number of at least 0"),
    ],
)
def test_a_setting_that_it_cannot_train_with_is_refused_in_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CandidateFailedError, match=sentence):
        ALGORITHM.train(ALGORITHM.configure(settings), task(), RunContext())


def test_a_penalty_too_small_to_solve_with_is_reported_in_a_sentence() -> None:
    training_task = task(classes=0)
    twice = replace(training_task, train=training_task.train.take(np.repeat(np.arange(40), 5)))
    with pytest.raises(CandidateFailedError, match="with penalty 1e-30 its matrix has no inverse"):
        ALGORITHM.train(ALGORITHM.configure({"kernel": "gaussian", "penalty": 1e-30}), twice, RunContext())


def test_a_table_of_categories_that_no_two_rows_share_is_refused_in_a_sentence() -> None:
    training_task = task(classes=0)
    names = replace(training_task.train, num=np.empty((96, 0), np.float32), cat=np.arange(96)[:, None])
    with pytest.raises(CandidateFailedError, match="categories that at least two of them share: there are none"):
        ALGORITHM.train(ALGORITHM.configure({}), replace(training_task, train=names, cardinalities=(97,)), RunContext())


def test_it_takes_little_more_memory_than_one_matrix_of_rows_by_rows() -> None:
    features, target = _rows(2_500)
    tracemalloc.start()
    try:
        _machine(features, target)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * 8 * len(target) ** 2
