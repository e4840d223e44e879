from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import Rows
from pipeline.training.loop.inference import InferenceModule
from pipeline.training.loop.inputs import columns
from pipeline.training.loop.losses import make_loss, outputs_of, quantiles_of
from tests.fakes.networks import SMALL, flat, learn, small, task

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0]])
LABELS = torch.tensor([0, 1])
VALUES, TRUTH = torch.tensor([[1.0], [-2.0], [0.2]]), torch.tensor([0.0, 1.0, 0.0])


def _loss(name: str | None, predictions: torch.Tensor, target: torch.Tensor, **settings: Any) -> list[float]:
    training_task = task(classes=0 if target.is_floating_point() else 3)
    result: list[float] = make_loss(small(**{"loss": name, **settings}), training_task)(predictions, target).tolist()
    return result


def test_focal_loss_without_gamma_is_cross_entropy_and_with_gamma_reduces_confident_rows() -> None:
    entropy = _loss("cross_entropy", LOGITS, LABELS)
    assert _loss("focal", LOGITS, LABELS, focal_gamma=0.0) == pytest.approx(entropy)
    sure, unsure = (np.array(_loss("focal", LOGITS, LABELS)) / entropy).tolist()
    assert sure == pytest.approx((1 - np.exp(-entropy[0])) ** 2)
    assert sure < 0.1 < unsure


def test_label_smoothing_equals_that_of_torch() -> None:
    expected = nn.functional.cross_entropy(LOGITS, LABELS, reduction="none", label_smoothing=0.1)
    assert _loss("cross_entropy", LOGITS, LABELS, label_smoothing=0.1) == pytest.approx(expected.tolist())


def test_regression_losses_have_their_defined_values() -> None:
    assert _loss(None, VALUES, TRUTH) == pytest.approx([1, 9, 0.04])
    assert _loss("mae", VALUES, TRUTH) == pytest.approx([1, 3, 0.2])
    assert _loss("huber", VALUES, TRUTH, huber_delta=0.5) == pytest.approx([0.375, 1.375, 0.02])
    with_median = torch.cat([VALUES, VALUES], dim=1)
    assert _loss("quantile", with_median, TRUTH, quantiles=(0.5,)) == pytest.approx([1, 3, 0.2])


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.8])
def test_the_pinball_loss_is_smallest_at_the_quantile(quantile: float) -> None:
    target = torch.arange(101.0)
    candidates = torch.arange(0.0, 101.0)
    predictions = torch.stack([candidates, candidates], dim=1)
    changes = {"quantiles": (quantile,), "loss": "mae"}
    total_losses = [sum(_loss(None, prediction.expand(101, 2), target, **changes)) for prediction in predictions]
    point_losses = [sum(_loss("mae", prediction[:1].expand(101, 1), target)) for prediction in predictions]
    pinball = np.array(total_losses) - np.array(point_losses)
    assert int(pinball.argmin()) == pytest.approx(100 * quantile, abs=1)


def test_a_loss_of_another_task_is_refused_with_the_losses_of_the_task() -> None:
    with pytest.raises(CandidateFailedError, match="'mse' is not for classification: one of cross_entropy, focal is"):
        make_loss(small(loss="mse"), task())
    with pytest.raises(CandidateFailedError, match="'focal' is not for regression: one of mse, mae, huber, quantile"):
        make_loss(small(loss="focal"), task(classes=0))


def test_a_regression_predicts_the_requested_quantiles() -> None:
    regression = task(classes=0)
    assert quantiles_of(SMALL, regression) == ()
    assert quantiles_of(small(quantiles=(0.9, 0.1)), regression) == (0.1, 0.9)
    assert quantiles_of(small(loss="quantile"), regression) == (0.05, 0.5, 0.95)
    assert outputs_of(small(loss="quantile"), regression) == 4
    assert outputs_of(small(quantiles=(0.1,)), task(classes=3)) == 3


def test_prediction_intervals_have_their_nominal_coverage() -> None:
    random = np.random.default_rng(0)

    def rows(count: int) -> Rows:
        num = random.uniform(-1, 1, (count, 2)).astype(np.float32)
        noise = random.normal(0, 0.2 + 0.5 * (num[:, 0] > 0))
        return Rows(num=num, cat=np.empty((count, 0), np.int64), target=(num[:, 1] + noise).astype(np.float64))

    training_task = task(classes=0, train=rows(1500), validation=rows(500))
    settings = {"quantiles": (0.1, 0.9), "epochs": 40, "batch_size": 64, "learning_rate": 0.02}
    learned = learn(training_task, flat(3), **settings)
    predictions = InferenceModule(learned.network, columns("num"), classes=0).predict(training_task.validation)
    within = (predictions[:, 1] <= training_task.validation.target) & (
        training_task.validation.target <= predictions[:, 2]
    )
    assert predictions.shape == (500, 3)
    assert within.mean() == pytest.approx(0.8, abs=0.06)
    widths = predictions[:, 2] - predictions[:, 1]
    assert (
        widths[training_task.validation.num[:, 0] > 0.2].mean()
        > 1.5 * widths[training_task.validation.num[:, 0] < -0.2].mean()
    )
    assert (np.diff(predictions[:, 1:], axis=1) >= 0).all(), "no quantile crosses another"
