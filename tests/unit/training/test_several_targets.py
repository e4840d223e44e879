"""Candidates for several targets: one model is trained per target, and one file predicts all targets."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest

from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.outcome import TrainedCandidate
from pipeline.contracts.records.plan import Candidate
from pipeline.evaluation.scoring import OnnxModel, feeds, truth
from pipeline.training import several_targets
from pipeline.training.several_targets import train_each_target
from pipeline.training.trainer import Trainer
from tests.fakes.tabular import Table, with_targets
from tests.fakes.training import CPU, QUICK

TABULAR = ("linear", "kernel_ridge", "random_forest", "extra_trees", "gradient_boosting", "tabm", "resnet_mlp", "mlp")


def trainer_of(data: Table, **fields: Any) -> Trainer:
    return Trainer(dataset=data.dataset, splits=data.splits, machine=CPU, seed=0, **fields)


def train(data: Table, folder: Path, algorithm: str, **fields: Any) -> TrainedCandidate:
    folder.mkdir()
    candidate = Candidate(name=algorithm, algorithm=algorithm, settings=QUICK[algorithm])
    return train_each_target(trainer_of(data, **fields), candidate, folder, lambda text: None)


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("algorithm", TABULAR)
def test_one_file_predicts_all_targets_like_the_trained_models(tmp_path: Path, algorithm: str, task: str) -> None:
    data = with_targets(task)
    folder = tmp_path / algorithm
    trained = train(data, folder, algorithm, folds=1)
    signature = data.dataset.signature
    served = OnnxModel(folder / "model.onnx").run(feeds(data.validation, signature))
    wanted = truth(data.validation, signature)
    with np.load(folder / "reference.npz") as reference:
        if task == "regression":
            scale = wanted.std(axis=0)
            assert np.abs((served.values - reference["value"]) / scale).max() < trained.tolerance
            assert trained.quality["r2"] > 0.6
        else:
            assert np.abs(served.probabilities - reference["probabilities"]).max() < trained.tolerance
            assert ((served.probabilities > 0.5) == wanted).mean() > 0.85
            assert trained.quality["f1_macro"] > 0.8
    assert {file.name for file in folder.iterdir()} == {"model.onnx", "body.onnx", "reference.npz", "trained.json"}
    assert TrainedCandidate.from_bytes((folder / "trained.json").read_bytes()) == trained


def test_the_columns_are_read_once_for_all_targets(tmp_path: Path) -> None:
    data = with_targets("regression")
    train(data, tmp_path / "linear", "linear")
    inputs = [value.name for value in onnx.load(tmp_path / "linear" / "model.onnx").graph.input]
    assert inputs == [column.name for column in data.dataset.columns]


def test_each_target_is_predicted_as_by_a_model_of_only_that_target(tmp_path: Path) -> None:
    data = with_targets("regression")
    train(data, tmp_path / "both", "gradient_boosting")
    single_target = Table(dataset=data.dataset.of_target(1), splits=data.splits)
    folder = tmp_path / "alone"
    folder.mkdir()
    candidate = Candidate(name="alone", algorithm="gradient_boosting", settings=QUICK["gradient_boosting"])
    trainer_of(single_target).train(candidate, folder, lambda text: None)
    with np.load(tmp_path / "both" / "reference.npz") as both, np.load(folder / "reference.npz") as one:
        assert np.array_equal(both["value"][:, 1], one["value"])


def test_a_bag_of_all_targets_is_measured_by_its_out_of_fold_predictions(tmp_path: Path) -> None:
    data = with_targets("classification")
    trained = train(data, tmp_path / "linear", "linear", metric="log_loss")
    assert trained.folds == 5
    low, high = trained.interval["log_loss"]
    assert low < trained.quality["log_loss"] < high
    with np.load(tmp_path / "linear" / "out_of_fold.npz") as out_of_fold:
        assert out_of_fold["answers"].shape == (400, 2)


def test_row_weights_count_in_the_metrics(tmp_path: Path) -> None:
    data = with_targets("regression")
    splits = {
        name: frame.with_columns(counts=(pl.col("age") / 10).cast(pl.Float32)) for name, frame in data.splits.items()
    }
    weighted = Table(dataset=data.dataset.model_copy(update={"weight": "counts"}), splits=splits)
    folder = tmp_path / "linear"
    trained = train(weighted, folder, "linear", folds=1)
    with np.load(folder / "reference.npz") as reference:
        predicted, wanted = reference["value"], truth(data.validation, data.dataset.signature)
    weight = splits["validation"]["counts"].to_numpy()
    error = [np.sqrt(np.average((predicted[:, n] - wanted[:, n]) ** 2, weights=weight)) for n in range(2)]
    assert trained.quality["rmse"] == pytest.approx(np.mean(error), rel=1e-4)


def test_the_remaining_time_is_shared_by_the_targets() -> None:
    trainer = trainer_of(with_targets("regression"), deadline=time.monotonic() + 100)
    first, second = several_targets._each_target(trainer, Candidate(name="mlp", algorithm="mlp"))
    assert first[0].deadline - time.monotonic() == pytest.approx(50, abs=1)
    assert second[0].deadline - time.monotonic() == pytest.approx(100, abs=1)
    assert [own.name for _, own, _ in (first, second)] == ["mlp_target_0", "mlp_target_1"]
    forever, *_ = several_targets._each_target(
        trainer_of(with_targets("regression")), Candidate(name="m", algorithm="mlp")
    )
    assert forever[0].deadline == math.inf


def test_the_weight_of_a_label_applies_to_the_rows_with_the_label() -> None:
    trainer = trainer_of(with_targets("classification"), class_weights={"years": 5.0})
    weights = [
        single_target.class_weights
        for single_target, _, _ in several_targets._each_target(trainer, Candidate(name="m", algorithm="mlp"))
    ]
    assert weights == [{"yes": 1.0}, {"yes": 5.0}]


def test_a_target_that_cannot_be_trained_fails_the_candidate(tmp_path: Path) -> None:
    candidate = Candidate(name="wrong", algorithm="linear", settings={"depth": 3})
    (tmp_path / "wrong").mkdir()
    with pytest.raises(CandidateFailedError, match="linear has no setting 'depth'"):
        train_each_target(trainer_of(with_targets("regression")), candidate, tmp_path / "wrong", lambda text: None)
