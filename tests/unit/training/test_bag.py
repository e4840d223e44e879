"""Candidates are bags: their metrics describe out-of-fold predictions, and the bag is served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.contracts.records.dataset import GROUP, TIME, SplitRows, can_bag
from pipeline.contracts.records.outcome import OUT_OF_FOLD, REFERENCE, TrainedCandidate
from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.spec.job_spec import Limits
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.scoring import OnnxModel, feeds, truth
from pipeline.training.trainer import Trainer
from tests.fakes.networks import Kept
from tests.fakes.tabular import Table, profiled, table
from tests.fakes.training import CPU, QUICK


class InterruptionError(Exception):
    pass


def _trainer(rows: Table, **fields: Any) -> Trainer:
    fields = {"metric": "accuracy", **fields}
    return Trainer(dataset=rows.dataset, splits=rows.splits, machine=CPU, seed=0, **fields)


def _train(trainer: Trainer, folder: Path, algorithm: str = "linear", **settings: Any) -> TrainedCandidate:
    folder.mkdir(exist_ok=True)
    candidate = Candidate(name="one", algorithm=algorithm, settings={**QUICK[algorithm], **settings})
    return trainer.train(candidate, folder, lambda text: None)


def _out_of_fold(folder: Path) -> np.ndarray:
    with np.load(folder / OUT_OF_FOLD) as arrays:
        predictions: np.ndarray = arrays["answers"]
    return predictions


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("algorithm", ["linear", "gradient_boosting", "mlp"])
def test_the_bag_is_served_and_its_metrics_describe_out_of_fold_predictions(
    tmp_path: Path, task: Any, algorithm: str
) -> None:
    rows = table(task, rows=300)
    metric = "rmse" if task == "regression" else "log_loss"
    trained = _train(_trainer(rows, metric=metric), tmp_path, algorithm)
    assert trained.folds == 5
    signature = rows.dataset.signature
    everything = pl.concat([rows.splits["train"], rows.splits["validation"]])
    out_of_fold = _out_of_fold(tmp_path)
    wanted = measure(signature, truth(everything, signature), Predictions.of(signature, out_of_fold))
    assert trained.quality == pytest.approx(wanted, rel=1e-5)
    low, high = trained.interval[metric]
    assert low < trained.quality[metric] < high
    served = OnnxModel(tmp_path / "model.onnx").run(feeds(rows.validation, signature))
    with np.load(tmp_path / REFERENCE) as reference:
        expected = reference["value" if task == "regression" else "probabilities"]
    probabilities = served.values if task == "regression" else served.probabilities
    scale = np.std(truth(everything, signature)) if task == "regression" else 1.0
    assert np.abs(probabilities - expected).max() / scale <= trained.tolerance


def test_the_number_of_folds_can_be_set_and_one_fold_makes_no_bag(tmp_path: Path) -> None:
    rows = table(rows=150)
    assert _train(_trainer(rows, folds=3), tmp_path / "3").folds == 3
    one_fold = _train(_trainer(rows, folds=1), tmp_path / "1")
    assert one_fold.folds == 0
    assert not (tmp_path / "1" / OUT_OF_FOLD).exists()
    assert _train(_trainer(rows), tmp_path / "old", "gradient_boosting", folds=2).folds == 2


def test_the_metrics_describe_the_folds_that_were_trained_before_the_deadline(tmp_path: Path) -> None:
    trained = _train(_trainer(table(rows=150), deadline=0.0), tmp_path)
    assert trained.folds == 1
    assert any("1 of 5 folds" in note for note in trained.notes)
    assert np.isnan(_out_of_fold(tmp_path)).any(axis=1).sum() == 120


def test_the_same_seed_gives_the_same_bag(tmp_path: Path) -> None:
    make: Callable[[str], TrainedCandidate] = lambda name: _train(_trainer(table(rows=150)), tmp_path / name)  # noqa: E731
    first, again = make("one"), make("two")
    assert (first.quality, first.model_sha256) == (again.quality, again.model_sha256)


def test_a_split_by_group_makes_a_bag_only_if_the_split_files_have_groups(tmp_path: Path) -> None:
    data = table(rows=160)
    random = np.random.default_rng(0)
    splits = {
        name: frame.with_columns(pl.Series(GROUP, random.integers(0, 12, frame.height), dtype=pl.UInt64))
        for name, frame in data.splits.items()
    }
    rows = replace(data, splits=splits, dataset=data.dataset.model_copy(update={"split_by": "group"}))
    trainer = _trainer(rows)
    assert _train(trainer, tmp_path).folds == 5
    unknown = replace(data, dataset=rows.dataset)  # split files of an older version have no groups
    assert _train(_trainer(unknown), tmp_path / "unknown").folds == 0


@pytest.mark.parametrize("algorithm", ["gradient_boosting", "mlp", "extra_trees"])
def test_a_single_model_is_refit_on_all_rows_for_the_best_length_of_the_folds(tmp_path: Path, algorithm: str) -> None:
    rows = table("regression", rows=200)
    bag = _train(_trainer(rows, metric="rmse"), tmp_path / "bag", algorithm)
    points: list[Any] = []
    trainer = _trainer(rows, metric="rmse", serve="single", watch=lambda candidate, point: points.append(point))
    single = _train(trainer, tmp_path / "single", algorithm)
    assert single.folds == 5
    assert single.quality == bag.quality
    assert "one model, refit on all rows, is served" in single.notes[-1]
    sizes = [(tmp_path / name / "model.onnx").stat().st_size for name in ("single", "bag")]
    assert sizes[0] < 0.5 * sizes[1]
    if algorithm == "mlp":
        best = [
            min((p for p in bag.history if p["fold"] == fold), key=lambda p: p["validation_loss"])["epoch"]
            for fold in range(1, 6)
        ]
        assert sum(point["fold"] == 6 for point in points) == np.median(best)
    signature = rows.dataset.signature
    served = OnnxModel(tmp_path / "single" / "model.onnx").run(feeds(rows.validation, signature))
    with np.load(tmp_path / "single" / REFERENCE) as reference:
        scale = reference["value"].std()
        assert np.abs(served.values - reference["value"]).max() / scale <= single.tolerance


@pytest.mark.parametrize("limits", [{"max_bytes": 1_000}, {"max_latency_us": 0.001}])
def test_a_bag_that_exceeds_the_limits_is_replaced_by_one_model(tmp_path: Path, limits: Any) -> None:
    rows = table(rows=200)
    small = _train(_trainer(rows, limits=Limits(**limits)), tmp_path / "small", "random_forest")
    assert any("one model, refit" in note for note in small.notes)
    wide = _train(_trainer(rows, limits=Limits(max_bytes=10**9)), tmp_path / "wide", "random_forest")
    assert not any("one model, refit" in note for note in wide.notes)


def test_a_split_by_time_measures_on_later_rows_and_serves_a_model_of_the_latest_rows(
    tmp_path: Path,
) -> None:
    """The target is 0, and 100 in the latest tenth of the rows: the validation rows."""
    random = np.random.default_rng(0)
    frame = pl.DataFrame({
        "x": pl.Series(random.normal(size=300), dtype=pl.Float32),
        "target": np.repeat([0.0, 100.0], [270, 30]) + random.normal(0, 1, 300),
        TIME: np.arange(300.0),
    })  # fmt: skip
    frame = frame.with_columns(pl.Series(GROUP, range(300), dtype=pl.UInt64))
    data = profiled({"train": frame[:270].drop(TIME, GROUP), "validation": frame[270:].drop(TIME, GROUP)}, "regression")
    dataset = data.dataset.model_copy(update={"split_by": "time"})
    rows = Table(dataset=dataset, splits={"train": frame[:270], "validation": frame[270:]})
    trained = _train(_trainer(rows, metric="rmse"), tmp_path)
    assert trained.folds == 5
    predicted = _out_of_fold(tmp_path)
    assert np.isnan(predicted).tolist() == [True] * 150 + [False] * 150
    assert np.nanmax(np.abs(predicted)) < 2, "no fold model has seen the latest rows"
    served = OnnxModel(tmp_path / "model.onnx").run(feeds(frame, dataset.signature))
    assert served.values.mean() == pytest.approx(10, abs=1)
    old = replace(data, dataset=dataset)  # split files of an older version have no times
    assert _train(_trainer(old, metric="rmse"), tmp_path / "old").folds == 0


def test_private_training_makes_no_bag_because_each_fold_would_spend_the_epsilon(tmp_path: Path) -> None:
    trainer = _trainer(table(rows=150, categorical=False))
    trained = _train(trainer, tmp_path, "mlp", privacy_epsilon=3.0, epochs=1, hidden=(4,), batch_size=32)
    assert trained.privacy
    assert trained.folds == 0


def test_many_rows_large_images_and_clustering_make_no_bag() -> None:
    dataset = table(rows=100).dataset
    assert can_bag(dataset)
    many = SplitRows(train=90_000, validation=10_001, test=0)
    for change in ({"rows": many}, {"task": "clustering"}):
        assert not can_bag(dataset.model_copy(update=change))
    image = dataset.columns[0].model_copy(update={"kind": "image", "shape": (28, 28, 3)})
    images = dataset.model_copy(update={"columns": (image,)})
    assert can_bag(images.model_copy(update={"rows": SplitRows(train=7_000, validation=1_000, test=0)}))
    assert not can_bag(images.model_copy(update={"rows": SplitRows(train=8_000, validation=1_000, test=0)}))


def test_twenty_seven_rows_are_enough_for_a_bag_of_five_folds(tmp_path: Path) -> None:
    rows = table(rows=27, classes=3)
    for algorithm in ("linear", "gradient_boosting", "extra_trees", "kernel_ridge"):
        trained = _train(_trainer(rows), tmp_path / algorithm, algorithm)
        assert trained.folds == 5
        assert np.isfinite(list(trained.quality.values())).all()


def test_a_class_weight_raises_the_predictions_of_the_class(tmp_path: Path) -> None:
    rows, mean = table(rows=300), {}
    for weight in (1.0, 20.0):
        folder = tmp_path / str(weight)
        _train(_trainer(rows, class_weights={"class 1": weight}), folder)
        mean[weight] = _out_of_fold(folder)[:, 1].mean()
    assert mean[20.0] > mean[1.0] + 0.1


@pytest.mark.parametrize("saves", [1, 4, 9, 14, 17])
def test_an_interrupted_bag_gives_the_same_result_as_an_uninterrupted_bag(tmp_path: Path, saves: int) -> None:
    rows, settings = table(rows=120), {"epochs": 3}
    uninterrupted = _train(_trainer(rows), tmp_path / "whole", "mlp", **settings)
    checkpoints = Kept(seconds=0)

    def stop(count: int) -> None:
        if count == saves + 1:
            raise InterruptionError

    checkpoints.saving = stop
    with pytest.raises(InterruptionError):
        _train(_trainer(rows, checkpoints=lambda candidate: checkpoints), tmp_path / "cut", "mlp", **settings)
    checkpoints.saving = None
    points: list[Any] = []
    trainer = _trainer(
        rows, checkpoints=lambda candidate: checkpoints, watch=lambda candidate, point: points.append(point)
    )
    resumed = _train(trainer, tmp_path / "later", "mlp", **settings)
    assert (resumed.model_sha256, resumed.quality) == (uninterrupted.model_sha256, uninterrupted.quality)
    assert np.array_equal(_out_of_fold(tmp_path / "whole"), _out_of_fold(tmp_path / "later"))
    assert [(point["fold"], point["epoch"]) for point in points] == [(f, e) for f in range(1, 6) for e in range(1, 4)]


def test_completed_folds_are_not_trained_again_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.training.loop import loop

    rows, checkpoints = table(rows=120), Kept(seconds=0)
    checkpoints.saving = lambda count: (
        (_ for _ in ()).throw(InterruptionError) if count == 12 else None
    )  # during the third fold
    with pytest.raises(InterruptionError):
        _train(_trainer(rows, checkpoints=lambda candidate: checkpoints), tmp_path / "cut", "mlp", epochs=4)
    checkpoints.saving = None
    epochs: list[int] = []
    batches = loop._remaining_batches

    def count(training: Any, at: Any) -> Any:
        epochs.append(at.epoch)
        return batches(training, at)

    monkeypatch.setattr(loop, "_remaining_batches", count)
    resumed = _train(_trainer(rows, checkpoints=lambda candidate: checkpoints), tmp_path / "later", "mlp", epochs=4)
    assert epochs == [2, 3, 4, *(1, 2, 3, 4) * 2]
    assert len([note for note in resumed.notes if note.startswith("interrupted")]) == 1


def test_the_out_of_fold_log_loss_of_a_text_model_holds_on_new_rows(tmp_path: Path) -> None:
    """The temperature is fitted on out-of-fold predictions, not on memorized training rows."""
    random = np.random.default_rng(0)
    words = {"a": ["ball", "goal", "team"], "b": ["bank", "market", "price"]}
    common = [f"word{number}" for number in range(400)]
    labels = random.choice(["a", "b"], 900)
    word_labels = np.where(
        random.random(900) < 0.15, np.where(labels == "a", "b", "a"), labels
    )  # 15 % of the texts have words of the other class
    texts = [" ".join([*random.choice(words[label], 2), *random.choice(common, 12)]) for label in word_labels]
    frame = pl.DataFrame({"text": texts, "target": labels})
    rows = profiled({"train": frame[:540], "validation": frame[540:600]}, "classification", texts=["text"])
    trained = _train(_trainer(rows, metric="log_loss"), tmp_path, "text_linear")
    signature = rows.dataset.signature
    served = OnnxModel(tmp_path / "model.onnx").run(feeds(frame[600:], signature))
    test_loss = measure(signature, truth(frame[600:], signature), served)["log_loss"]
    assert trained.folds == 5
    assert test_loss < trained.quality["log_loss"] + 0.1


def test_records_of_versions_without_bags_are_read() -> None:
    old = {
        "candidate": "one", "algorithm": "linear", "device": "cpu", "seconds": 1.0, "quality": {"accuracy": 0.7},
        "tolerance": 1e-4, "cross_quality": {"accuracy": 0.8}, "cross_interval": {"accuracy": [0.7, 0.9]},
        "model_sha256": "0",
    }  # fmt: skip
    read = TrainedCandidate.model_validate(old)
    assert (read.quality, read.interval, read.folds) == ({"accuracy": 0.8}, {"accuracy": (0.7, 0.9)}, 5)
    plain = TrainedCandidate.model_validate({**old, "cross_quality": {}, "cross_interval": {}})
    assert (plain.quality, plain.folds) == ({"accuracy": 0.7}, 0)
