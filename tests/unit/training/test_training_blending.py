from __future__ import annotations

import numpy as np
import pytest

from pipeline.contracts.signature import Column, Signature
from pipeline.training.blending import find_blend

ROWS = 600
VALUES = Signature(task="regression", target="price", columns=(Column(name="x", kind="numeric"),))
LABELS = Signature(
    task="classification", target="sort", columns=(Column(name="x", kind="numeric"),), classes=("a", "b")
)


def test_two_models_that_err_differently_are_better_together() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=ROWS)
    answers = {name: truth + random.normal(scale=0.5, size=ROWS) for name in ("one", "other")}
    answers["hopeless"] = random.normal(scale=9, size=ROWS)
    found = find_blend(answers, truth, VALUES, "rmse")
    assert found.better
    assert set(found.weights) == {"one", "other"}
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.weights["one"] == pytest.approx(0.5, abs=0.15)
    expected = sum(weight * answers[name] for name, weight in found.weights.items())
    np.testing.assert_allclose(found.answers, expected)


def test_where_the_best_alone_is_best_it_says_so() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=ROWS)
    good = truth + random.normal(scale=0.1, size=ROWS)
    found = find_blend({"good": good, "noisy": good + random.normal(size=ROWS)}, truth, VALUES, "rmse")
    assert not found.better
    assert "no better than" in found.why
    assert found.why.endswith("of good")


def test_of_classes_the_mean_of_probabilities_is_judged_by_the_metric() -> None:
    random = np.random.default_rng(1)
    truth = np.array(["a", "b"], object)[random.integers(0, 2, ROWS)]
    signal = np.where(truth == "b", 1.0, -1.0)

    def model() -> np.ndarray:
        second = 1 / (1 + np.exp(-(signal + random.normal(scale=1.5, size=ROWS))))
        return np.stack([1 - second, second], axis=1)

    found = find_blend({"one": model(), "other": model()}, truth, LABELS, "auc")
    assert found.better
    np.testing.assert_allclose(found.answers.sum(axis=1), 1)
