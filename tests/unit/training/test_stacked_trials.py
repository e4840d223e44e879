"""Trials that are trained together learn what they would learn separately."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.records.plan import Trials
from pipeline.graphs.encoding import Encoding
from pipeline.training.algorithm import Rows, RunContext, TrainingTask
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.search.search import search
from pipeline.training.search.stacked_trials import can_stack, fit_stacked
from tests.fakes.imaging import SHAPES, pictures
from tests.fakes.networks import Kept

MLP = ALGORITHMS["mlp"]
QUICK = {"hidden": (16, 8), "epochs": 6, "batch_size": 32, "dropout": 0.0}


def rows_of(frame: Any, dataset: Any) -> Rows:
    encoded = Encoding.of(dataset).encode(frame)
    target = np.array([SHAPES.index(label) for label in frame["label"]], np.int64)
    return Rows(num=encoded["num"], cat=encoded["cat"], image=encoded["image"], target=target)


@pytest.fixture(scope="module")
def task() -> TrainingTask:
    table = pictures()
    train, validation = (rows_of(table.splits[name], table.dataset) for name in ("train", "validation"))
    return TrainingTask(
        classes=3, cardinalities=(), train=train, validation=validation, seed=1,
    )  # fmt: skip


def settings(**changed: Any) -> NetworkConfig:
    return MLP.configure({**QUICK, **changed})


@pytest.mark.parametrize("shared", [{}, {"optimizer": "adam", "schedule": "one_cycle"}, {"early_stopping": 1}])
def test_stacked_trials_learn_the_same_as_separate_trials(task: TrainingTask, shared: dict[str, Any]) -> None:
    trials = [settings(**shared, learning_rate=rate, weight_decay=decay) for rate, decay in ((3e-3, 0), (1e-2, 0.1))]
    stacked = fit_stacked(trials, task, RunContext())
    assert stacked is not None
    for trial, fitted in zip(trials, stacked, strict=True):
        separate = MLP.train(trial, task, RunContext())
        np.testing.assert_allclose(fitted.predict(task.validation), separate.predict(task.validation), atol=1e-4)
        points = zip(separate.history, fitted.history, strict=False)
        assert all(a["loss"] == pytest.approx(b["loss"], rel=1e-3) for a, b in points)


def test_stacked_trials_have_different_dropout(task: TrainingTask) -> None:
    trials = [settings(dropout=0.3, learning_rate=rate) for rate in (5e-3, 5e-3)]
    stacked = fit_stacked(trials, task, RunContext())
    assert stacked is not None
    first, second = (fitted.predict(task.validation) for fitted in stacked)
    assert np.abs(first - second).max() > 1e-4


@pytest.mark.parametrize(
    "changed", [{"hidden": (4,)}, {"optimizer": "sgd"}, {"mixup": 0.2}, {"averaging": "ema"}, {"batching": "full"}]
)
def test_trials_with_different_or_unsupported_settings_cannot_be_stacked(
    task: TrainingTask, changed: dict[str, Any]
) -> None:
    trials = [settings(learning_rate=rate) for rate in (1e-3, 1e-2)]
    assert can_stack(trials, task, RunContext())
    assert not can_stack([trials[0], settings(**changed)], task, RunContext())
    assert can_stack([settings(**changed)] * 2, task, RunContext()) is ("hidden" in changed), (
        "equal trials of any width can be stacked"
    )
    assert not can_stack(trials[:1], task, RunContext())


def test_stacked_trials_give_no_result_after_the_deadline(task: TrainingTask) -> None:
    trials = [settings(learning_rate=rate) for rate in (1e-3, 1e-2)]
    assert fit_stacked(trials, task, RunContext(deadline=time.monotonic())) is None


def test_a_grid_of_learning_rates_is_trained_in_one_stack(task: TrainingTask) -> None:
    reports: list[str] = []
    trials = Trials(method="grid", space={"learning_rate": (1e-4, 3e-3, 1e-2)}, trials=3)

    def score(fitted: Any, rows: Rows) -> float:
        return float((fitted.predict(rows).argmax(axis=1) == rows.target).mean())

    context = RunContext(report=reports.append, deadline=time.monotonic() + 600)
    result = search(MLP, QUICK, trials, task, context, score)
    assert [trial.status for trial in result.trials].count("best") == 1
    assert any("3 trials" in text for text in reports)
    best = max(result.trials, key=lambda trial: trial.quality or 0)
    assert score(MLP.train(settings(**best.settings), task, RunContext()), task.validation) == pytest.approx(
        best.quality, abs=0.02
    )


def test_a_resumed_search_trains_only_the_missing_trials(task: TrainingTask) -> None:
    trials = Trials(method="grid", space={"learning_rate": (3e-3, 1e-2)}, trials=2)
    reports: list[str] = []
    context = RunContext(report=reports.append, deadline=time.monotonic() + 600, checkpoints=Kept())
    first, again = (search(MLP, QUICK, trials, task, context, lambda fitted, rows: 0.5) for _ in range(2))
    assert [trial.quality for trial in again.trials] == [trial.quality for trial in first.trials]
    assert sum("epoch 1 of 6, 2 trials" in text for text in reports) == 1


@pytest.mark.parametrize("end", ["time", "error", "last epoch"])
def test_the_thread_count_of_torch_is_restored_after_any_end(task: TrainingTask, end: str) -> None:
    def stop(text: str) -> None:
        if end == "error":
            raise RuntimeError(text)

    trials = [settings(learning_rate=rate) for rate in (1e-3, 1e-2)]
    deadline = time.monotonic() if end == "time" else math.inf
    with nullcontext() if end != "error" else pytest.raises(RuntimeError):
        fit_stacked(trials, task, RunContext(threads=2, report=stop, deadline=deadline))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert threads == 2


def test_stacked_trials_learn_the_same_with_any_number_of_threads(task: TrainingTask) -> None:
    trials = [settings(learning_rate=rate) for rate in (1e-3, 3e-3, 1e-2)]
    predictions = []
    for threads in (1, 2, 8):
        stacked = fit_stacked(trials, task, RunContext(threads=threads))
        assert stacked is not None
        predictions.append(np.stack([fitted.predict(task.validation) for fitted in stacked]))
    np.testing.assert_allclose(predictions[0], predictions[1], atol=1e-5)
    np.testing.assert_allclose(predictions[0], predictions[2], atol=1e-5)
