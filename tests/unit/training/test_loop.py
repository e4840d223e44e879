from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)
from torch import Tensor, nn

from pipeline.contracts.errors import CandidateFailedError
from pipeline.evaluation.scoring import OnnxModel
from pipeline.training.algorithm import RunContext
from pipeline.training.loop.inference import InferenceModule
from pipeline.training.loop.inputs import columns
from pipeline.training.loop.loop import train_network
from tests.fakes.networks import Ensemble, Fragile, Kept, flat, learn, points, small, task, weights


def test_the_same_seed_gives_the_same_weights_and_another_seed_different_weights() -> None:
    first, second, third = (learn(task(seed=seed)) for seed in (3, 3, 4))
    assert weights(first.network) == weights(second.network) != weights(third.network)


def test_rows_of_weight_0_are_not_learned() -> None:
    true = points(200)
    wrong = np.arange(200) % 2 == 0
    weight = np.where(wrong, 0, 2).astype(np.float32)
    lied = replace(true, target=np.where(wrong, 1 - true.target, true.target))
    accuracies = {}
    for name, rows in (("weighted", replace(lied, weight=weight)), ("not", lied)):
        training_task = task(train=rows)
        network = learn(training_task, epochs=30).network
        predictions = (
            InferenceModule(network, columns("num"), classes=2).predict(training_task.validation).argmax(axis=1)
        )
        accuracies[name] = (predictions == training_task.validation.target).mean()
    assert accuracies["weighted"] > 0.9 > accuracies["not"]


def test_a_point_of_the_curve_is_reported_each_epoch() -> None:
    seen: list[dict[str, float]] = []
    learned = learn(task(), context=RunContext(watch=lambda point: seen.append(dict(point))), epochs=3)
    assert seen == list(learned.history)
    assert [point["epoch"] for point in seen] == [1, 2, 3]
    assert {"loss", "validation_loss", "learning_rate", "rows_per_second", "memory_mb", "seconds"} <= set(seen[0])
    assert all(value > 0 for value in seen[0].values())


@pytest.mark.parametrize("classes", [0, 3])
def test_ensemble_members_learn_separately_and_predict_their_mean(classes: int) -> None:
    training_task = task(classes=classes, rows=200)
    outputs = classes or 1
    learned = learn(training_task, lambda: Ensemble(4, outputs), epochs=40, learning_rate=0.05, early_stopping=40)
    inference = InferenceModule(learned.network, columns("num"), classes=classes)
    predictions = torch.from_numpy(inference.predict(training_task.validation))
    target = torch.from_numpy(training_task.validation.target)
    if classes:
        loss = nn.functional.nll_loss(predictions.log(), target).item()
        members = learned.network(torch.from_numpy(training_task.validation.num)).softmax(-1)
        torch.testing.assert_close(predictions, members.mean(1))
    else:
        loss = nn.functional.mse_loss(predictions, target.float()).item()
    best = min(point["validation_loss"] for point in learned.history)
    assert loss == pytest.approx(best, rel=1e-5)
    assert loss < 0.5
    member_weights = [member.weight.flatten().tolist() for member in learned.network.get_submodule("each")]  # type: ignore[union-attr]
    assert member_weights[0] != member_weights[1]


class Picture(nn.Module):
    """uint8 [batch, height, width, 1] and [batch, 2] -> [batch, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 2)

    def forward(self, image: Tensor, num: Tensor) -> Tensor:
        bright = image.permute(0, 3, 1, 2).float().mean(dim=(2, 3)) / 255
        cat = torch.cat([bright, bright, num], dim=1)
        outputs: Tensor = self.last(cat)
        return outputs


def test_the_graph_of_a_network_has_the_inputs_that_the_network_reads() -> None:
    rows = replace(points(40), image=np.random.default_rng(0).integers(0, 256, (40, 4, 6, 1), np.uint8))
    inference = InferenceModule(Picture().eval(), columns("image", "num"), classes=2)
    body = inference.to_onnx(rows)
    assert [graph_input.name for graph_input in body.graph.input] == ["image", "num"]
    (outputs,) = OnnxModel(body.SerializeToString()).run_raw({"image": rows.image, "num": rows.num})
    np.testing.assert_allclose(outputs, inference.predict(rows), atol=1e-6)


def test_a_diverged_training_resumes_once_with_a_tenth_of_the_learning_rate() -> None:
    seen: list[float] = []
    context = RunContext(watch=lambda point: seen.append(point["learning_rate"]))
    learned = learn(task(), Fragile, context=context, optimizer="adam", learning_rate=0.1, epochs=2)
    (note,) = learned.notes
    assert note == (
        "the loss became non-finite in epoch 1 (learning rate 0.1); resumed from the best weights with 0.01"
    )
    assert seen == pytest.approx([0.01, 0.01])
    with pytest.raises(CandidateFailedError, match=r"in epoch 1 \(learning rate 1\), before that in epoch 1"):
        learn(task(), Fragile, optimizer="adam", learning_rate=10.0, epochs=2)


class Greedy(nn.Module):
    """A network that runs out of memory with more than ``room`` rows."""

    def __init__(self, room: int = 5) -> None:
        super().__init__()
        self.layer, self.room = nn.Linear(2, 2), room

    def forward(self, num: Tensor) -> Tensor:
        if len(num) > self.room:
            raise torch.OutOfMemoryError("no room")
        outputs: Tensor = self.layer(num)
        return outputs


def test_a_batch_that_exceeds_memory_is_halved_and_gives_the_same_gradients() -> None:
    short = learn(task(), Greedy, batch_size=32)
    ample = learn(task(), lambda: Greedy(1000), batch_size=32)
    assert short.notes == ("memory ran out: the batch was halved, to 4 rows at once",)
    assert ample.notes == ()
    for parameter, expected in zip(short.network.parameters(), ample.network.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected, atol=1e-5, rtol=1e-4)


def test_the_out_of_memory_error_of_the_cpu_halves_the_batch_too() -> None:
    class Large(nn.Module):
        """A network that allocates an exabyte for more than 5 rows."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, num: Tensor) -> Tensor:
            if len(num) > 5:
                torch.empty(2**60, dtype=torch.uint8)
            outputs: Tensor = self.layer(num)
            return outputs

    assert learn(task(), Large, batch_size=32).notes == ("memory ran out: the batch was halved, to 4 rows at once",)


def test_a_single_row_that_exceeds_memory_fails_the_candidate() -> None:
    with pytest.raises(CandidateFailedError, match="memory ran out with 1 rows at once"):
        learn(task(), lambda: Greedy(0))


def test_training_stops_at_the_deadline_and_notes_the_epoch() -> None:
    clock = itertools.count()  # one second passes with each reading
    learned = learn(
        task(), context=RunContext(deadline=30, clock=lambda: next(clock)), epochs=1000, early_stopping=1000
    )
    (note,) = learned.notes
    assert note == f"training time ran out in epoch {len(learned.history)} of 1000; the best weights so far were kept"
    assert 1 < len(learned.history) < 10


def test_a_schedule_is_compressed_into_the_time_left() -> None:
    clock = itertools.count()
    context = RunContext(deadline=100, clock=lambda: next(clock))
    learned = learn(task(), context=context, epochs=1000, early_stopping=1000, schedule="cosine", batch_size=64)
    rates = [point["learning_rate"] for point in learned.history]
    assert 3 < len(rates) < 30
    assert rates[-1] < rates[0] / 2


def test_a_training_after_the_deadline_has_one_epoch() -> None:
    clock = itertools.count(1)
    assert len(learn(task(), context=RunContext(deadline=0, clock=lambda: next(clock))).history) == 1


def _hundredfold(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return values * 100


METRICS: dict[str, Callable[..., float]] = {
    "accuracy": lambda truth, predicted: accuracy_score(truth, predicted.argmax(axis=1)),
    "auc": lambda truth, predicted: roc_auc_score(truth, predicted[:, 1]),
    "log_loss": log_loss,
    "rmse": root_mean_squared_error,
    "mae": mean_absolute_error,
    "r2": r2_score,
}


@pytest.mark.parametrize("metric", METRICS)
def test_a_point_of_the_curve_has_the_selected_metric(metric: str) -> None:
    regression = metric in ("rmse", "mae", "r2")
    units = {"denormalize": _hundredfold, "denormalize_targets": _hundredfold}
    training_task = task(classes=0 if regression else 2, metric=metric, **units)
    checkpoints = Kept()
    learned = learn(training_task, context=RunContext(checkpoints=checkpoints), epochs=1, early_stopping=1)
    network = flat(training_task.classes or 1)().eval()
    network.load_state_dict(dict(checkpoints.weights()))
    predicted = InferenceModule(network, columns("num"), classes=training_task.classes).predict(
        training_task.validation
    )
    truth = training_task.validation.target
    expected = METRICS[metric](*(map(_hundredfold, (truth, predicted)) if regression else (truth, predicted)))
    assert learned.history[-1][metric] == pytest.approx(expected, rel=1e-4)


def test_l2_adds_the_weights_to_the_gradient_and_l1_adds_their_signs() -> None:
    silent = replace(points(32), weight=np.zeros(32, np.float32))  # rows of weight 0: only the penalties have gradients
    for name, expected in (("l2", lambda w: w - 0.1 * 0.5 * w), ("l1", lambda w: w - 0.1 * 0.5 * w.sign())):
        settings = {"optimizer": "sgd", "learning_rate": 0.1, "epochs": 1, "batch_size": 32, name: 0.5}
        torch.manual_seed(3)
        start = nn.Linear(2, 2)
        learned = learn(task(train=silent), lambda: nn.Linear(2, 2), **settings)
        # The initial weights may be the best, so that only the checkpoint has the weights of the epoch.
        checkpoints = Kept()
        learn(task(train=silent), lambda: nn.Linear(2, 2), context=RunContext(checkpoints=checkpoints), **settings)
        torch.testing.assert_close(checkpoints.weights()["weight"], expected(start.weight.detach()))
        assert learned.history


def test_the_gradient_norm_is_clipped() -> None:
    torch.manual_seed(3)
    start = nn.Linear(2, 2)
    checkpoints = Kept()
    settings = {"optimizer": "sgd", "learning_rate": 1.0, "epochs": 1, "batching": "full", "max_gradient_norm": 0.01}
    learn(task(), lambda: nn.Linear(2, 2), context=RunContext(checkpoints=checkpoints), **settings)
    moved = torch.cat([(checkpoints.weights()[name] - was).flatten() for name, was in start.state_dict().items()])
    assert moved.norm().item() == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("averaging", ["ema", "swa"])
def test_averaged_weights_differ_from_the_last_weights_and_learn(averaging: str) -> None:
    checkpoints = Kept()
    learned = learn(
        task(rows=200),
        context=RunContext(checkpoints=checkpoints),
        averaging=averaging,
        epochs=8,
        learning_rate=0.05,
        early_stopping=8,
    )
    last = checkpoints.weights()
    averaged = checkpoints.state["averaged_weights"]
    assert any(not torch.equal(last[name], averaged[name]) for name in last)
    assert learned.history[-1]["validation_loss"] < 0.3


def test_batch_norm_statistics_are_recomputed_for_averaged_weights() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))

    learned = learn(task(rows=200), build, averaging="swa", epochs=8, learning_rate=0.015, early_stopping=8)
    training_task = task(rows=200)
    with torch.no_grad():
        seen = learned.network[0](torch.from_numpy(training_task.train.num))  # type: ignore[index]
    assert learned.best_epoch == 8, "averaged weights"
    torch.testing.assert_close(learned.network[1].running_mean, seen.mean(dim=0), atol=1e-4, rtol=1e-4)  # type: ignore[index]
    assert learned.history[-1]["validation_loss"] < 0.3


def test_mixup_trains_on_mixed_pixels_and_learns_the_classes() -> None:
    class Seen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.values = nn.Linear(16, 2), set[float]()

        def forward(self, image: Tensor) -> Tensor:
            if self.training:
                self.values |= set(image.flatten().tolist())
            outputs: Tensor = self.layer(image.flatten(1).float() / 255)
            return outputs

    random = np.random.default_rng(0)
    image = np.where(np.arange(64)[:, None, None, None] % 2 == 0, 0, 255).astype(np.uint8) * np.ones(
        (1, 4, 4, 1), np.uint8
    )
    rows = replace(
        points(64), target=np.arange(64) % 2, image=image, num=random.normal(size=(64, 0)).astype(np.float32)
    )
    training_task = task(train=rows, validation=rows)
    learned = train_network(
        Seen, columns("image"), small(mixup=0.4, epochs=8, learning_rate=0.05), training_task, RunContext()
    )
    seen = learned.network.values  # type: ignore[union-attr]
    assert len(seen) > 10
    assert min(seen) >= 0
    assert max(seen) <= 255
    predictions = InferenceModule(learned.network, columns("image"), classes=2).predict(rows).argmax(axis=1)
    assert (predictions == rows.target).all()


def test_a_bf16_training_learns_and_keeps_fp32_weights() -> None:
    learned = learn(task(rows=200), precision="bf16", epochs=20, learning_rate=0.03)
    assert min(point["validation_loss"] for point in learned.history) < 0.3
    assert {parameter.dtype for parameter in learned.network.parameters()} == {torch.float32}
    assert weights(learned.network) != weights(learn(task(rows=200), epochs=20, learning_rate=0.03).network)
