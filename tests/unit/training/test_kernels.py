"""Kernel ridge: the closed forms equal the definitions."""

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
    return KernelMachine.of(features, learned, **{"scaled": 0, "context": RunContext(), **FIXED, **changed})


def test_the_predictions_are_those_of_kernel_ridge_regression() -> None:
    features, target = _rows()
    machine = _machine(features, target)
    squared = np.square(features[:, None].astype(np.float64) - features).sum(axis=2)
    matrix = np.exp(-machine.kernel.width * squared)
    wanted = np.linalg.solve(matrix + 0.1 * np.eye(len(matrix)), target - target.mean())
    np.testing.assert_allclose(machine.predict(features), matrix @ wanted + target.mean(), atol=1e-9)


def test_the_sharpness_is_fitted_to_leave_one_out_predictions() -> None:
    """Random labels cannot be predicted, so that the softmax stays flat."""
    features, _ = _rows(90)
    noise = np.arange(90) % 3
    signal = np.digitize(features[:, 0], [-0.5, 0.5])
    flat, sure = (_machine(features, target, classes=3).predict(features) for target in (noise, signal))
    assert flat.max() < 0.6
    assert sure.max(axis=1).mean() > 0.8
    np.testing.assert_allclose(sure.sum(axis=1), 1)


def test_the_chosen_width_and_penalty_minimize_the_leave_one_out_error() -> None:
    features, target = _rows(60)
    choice = {"widths": (0.1, 1.0, 10.0), "penalties": (0.01, 0.1, 1.0)}
    chosen = _machine(features, target, **choice)
    errors = {}
    for width in choice["widths"]:
        for penalty in choice["penalties"]:
            missed = []
            for row in range(len(target)):
                rest = np.arange(len(target)) != row
                # the closed form uses the offset of all rows
                shifted = target - target.mean()
                machine = _machine(features, target, widths=(width,), penalties=(penalty,))
                squared = np.square(features[:, None].astype(np.float64) - features).sum(axis=2)
                matrix = machine.kernel.of(squared)
                weights = np.linalg.solve(matrix[np.ix_(rest, rest)] + penalty * np.eye(rest.sum()), shifted[rest])
                missed.append(shifted[row] - matrix[row, rest] @ weights)
            errors[machine.kernel] = np.square(missed).mean()
    assert chosen.kernel == min(errors, key=lambda kernel: errors[kernel])


def test_rows_count_by_their_weight_and_rows_of_weight_0_do_not_count() -> None:
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


def test_constant_columns_and_equal_rows_are_fitted() -> None:
    features = np.ones((40, 2), np.float32)
    features[:20, 1] = 0
    predictions = _machine(features, np.repeat([0.0, 1.0], 20), scaled=2, widths=(), penalties=()).predict(features)
    np.testing.assert_allclose(predictions, np.repeat([0.0, 1.0], 20), atol=0.05)


@pytest.mark.parametrize("kernel", ["gaussian", "exponential"])
def test_explicit_settings_change_the_predictions(kernel: str) -> None:
    fitted = ALGORITHM.train(
        ALGORITHM.configure({"kernel": kernel, "width": 0.5, "penalty": 1.0}), task(classes=0), RunContext()
    )
    predictions = [
        tuple(model.predict(points(20, classes=0, seed=9)))
        for model in (fitted, ALGORITHM.train(ALGORITHM.configure({}), task(classes=0), RunContext()))
    ]
    assert predictions[0] != predictions[1]


def test_too_many_rows_for_the_kernel_matrix_are_refused() -> None:
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
def test_an_invalid_setting_is_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CandidateFailedError, match=sentence):
        ALGORITHM.train(ALGORITHM.configure(settings), task(), RunContext())


def test_a_penalty_that_is_too_small_to_solve_with_fails_the_candidate() -> None:
    training_task = task(classes=0)
    twice = replace(training_task, train=training_task.train.take(np.repeat(np.arange(40), 5)))
    with pytest.raises(CandidateFailedError, match="with penalty 1e-30 its matrix has no inverse"):
        ALGORITHM.train(ALGORITHM.configure({"kernel": "gaussian", "penalty": 1e-30}), twice, RunContext())


def test_a_table_of_only_unique_categories_is_refused() -> None:
    training_task = task(classes=0)
    names = replace(training_task.train, num=np.empty((96, 0), np.float32), cat=np.arange(96)[:, None])
    with pytest.raises(CandidateFailedError, match="categories that at least two of them share: there are none"):
        ALGORITHM.train(ALGORITHM.configure({}), replace(training_task, train=names, cardinalities=(97,)), RunContext())


def test_a_fit_uses_less_memory_than_one_and_a_half_kernel_matrices() -> None:
    features, target = _rows(2_500)
    tracemalloc.start()
    try:
        _machine(features, target)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * 8 * len(target) ** 2
