"""Candidates are bags: what is said of them is of their out-of-fold predictions, and what is served is the bag."""

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


class TakenBackError(Exception):
    pass


def _trainer(rows: Table, **fields: Any) -> Trainer:
    fields = {"metric": "accuracy", **fields}
    return Trainer(dataset=rows.dataset, splits=rows.splits, machine=CPU, seed=0, **fields)


def _train(trainer: Trainer, folder: Path, algorithm: str = "linear", **settings: Any) -> TrainedCandidate:
    folder.mkdir(exist_ok=True)
    candidate = Candidate(name="one", algorithm=algorithm, settings={**QUICK[algorithm], **settings})
    return trainer.train(candidate, folder, lambda text: None)


def _out_of_fold(folder: Path) -> np.ndarray:
    with np.load(folder / OUT_OF_FOLD) as kept:
        answers: np.ndarray = kept["answers"]
    return answers


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("algorithm", ["linear", "gradient_boosting", "mlp"])
def test_the_bag_is_served_and_its_metrics_are_of_rows_that_its_models_have_not_seen(
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
        kept = reference["value" if task == "regression" else "probabilities"]
    probabilities = served.values if task == "regression" else served.probabilities
    scale = np.std(truth(everything, signature)) if task == "regression" else 1.0
    assert np.abs(probabilities - kept).max() / scale <= trained.tolerance


def test_settings_may_name_the_folds_and_one_fold_is_measured_on_the_validation_rows(tmp_path: Path) -> None:
    rows = table(rows=150)
    assert _train(_trainer(rows, folds=3), tmp_path / "3").folds == 3
    alone = _train(_trainer(rows, folds=1), tmp_path / "1")
    assert alone.folds == 0
    assert not (tmp_path / "1" / OUT_OF_FOLD).exists()
    assert _train(_trainer(rows), tmp_path / "old", "gradient_boosting", folds=2).folds == 2


def test_at_the_deadline_the_metrics_are_of_the_folds_that_were_trained(tmp_path: Path) -> None:
    trained = _train(_trainer(table(rows=150), deadline=0.0), tmp_path)
    assert trained.folds == 1
    assert any("1 of 5 folds" in note for note in trained.notes)
    assert np.isnan(_out_of_fold(tmp_path)).any(axis=1).sum() == 120


def test_the_same_seed_gives_the_same_bag(tmp_path: Path) -> None:
    make: Callable[[str], TrainedCandidate] = lambda name: _train(_trainer(table(rows=150)), tmp_path / name)  # noqa: E731
    first, again = make("one"), make("two")
    assert (first.quality, first.model_sha256) == (again.quality, again.model_sha256)


def test_rows_of_one_group_are_held_out_together(tmp_path: Path) -> None:
    made = table(rows=160)
    random = np.random.default_rng(0)
    splits = {
        name: frame.with_columns(pl.Series(GROUP, random.integers(0, 12, frame.height), dtype=pl.UInt64))
        for name, frame in made.splits.items()
    }
    rows = replace(made, splits=splits, dataset=made.dataset.model_copy(update={"split_by": "group"}))
    trainer = _trainer(rows)
    assert _train(trainer, tmp_path).folds == 5
    unknown = replace(made, dataset=rows.dataset)  # split files of an older version do not say which rows are a group
    assert _train(_trainer(unknown), tmp_path / "unknown").folds == 0


@pytest.mark.parametrize("algorithm", ["gradient_boosting", "mlp", "extra_trees"])
def test_a_single_model_is_refit_on_all_rows_as_long_as_the_folds_found_best(tmp_path: Path, algorithm: str) -> None:
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
def test_a_bag_that_does_not_keep_the_limits_is_replaced_by_one_model(tmp_path: Path, limits: Any) -> None:
    rows = table(rows=200)
    small = _train(_trainer(rows, limits=Limits(**limits)), tmp_path / "small", "random_forest")
    assert any("one model, refit" in note for note in small.notes)
    wide = _train(_trainer(rows, limits=Limits(max_bytes=10**9)), tmp_path / "wide", "random_forest")
    assert not any("one model, refit" in note for note in wide.notes)


def test_where_time_splits_the_rows_later_ones_measure_and_the_served_model_has_learned_from_the_latest(
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
    made = profiled({"train": frame[:270].drop(TIME, GROUP), "validation": frame[270:].drop(TIME, GROUP)}, "regression")
    dataset = made.dataset.model_copy(update={"split_by": "time"})
    rows = Table(dataset=dataset, splits={"train": frame[:270], "validation": frame[270:]})
    trained = _train(_trainer(rows, metric="rmse"), tmp_path)
    assert trained.folds == 5
    predicted = _out_of_fold(tmp_path)
    assert np.isnan(predicted).tolist() == [True] * 150 + [False] * 150
    assert np.nanmax(np.abs(predicted)) < 2, "no fold model has seen the latest rows"
    served = OnnxModel(tmp_path / "model.onnx").run(feeds(frame, dataset.signature))
    assert served.values.mean() == pytest.approx(10, abs=1)
    old = replace(made, dataset=dataset)  # split files of an older version do not say the times
    assert _train(_trainer(old, metric="rmse"), tmp_path / "old").folds == 0


def test_each_fold_of_a_private_training_would_spend_the_epsilon_again(tmp_path: Path) -> None:
    trainer = _trainer(table(rows=150, categorical=False))
    trained = _train(trainer, tmp_path, "mlp", privacy_epsilon=3.0, epochs=1, hidden=(4,), batch_size=32)
    assert trained.privacy
    assert trained.folds == 0


def test_many_rows_large_images_and_clusterings_have_one_model() -> None:
    dataset = table(rows=100).dataset
    assert can_bag(dataset)
    many = SplitRows(train=90_000, validation=10_001, test=0)
    for change in ({"rows": many}, {"task": "clustering"}):
        assert not can_bag(dataset.model_copy(update=change))
    image = dataset.columns[0].model_copy(update={"kind": "image", "shape": (28, 28, 3)})
    pictures = dataset.model_copy(update={"columns": (image,)})
    assert can_bag(pictures.model_copy(update={"rows": SplitRows(train=7_000, validation=1_000, test=0)}))
    assert not can_bag(pictures.model_copy(update={"rows": SplitRows(train=8_000, validation=1_000, test=0)}))


def test_thirty_rows_make_a_bag(tmp_path: Path) -> None:
    rows = table(rows=27, classes=3)
    for algorithm in ("linear", "gradient_boosting", "extra_trees", "kernel_ridge"):
        trained = _train(_trainer(rows), tmp_path / algorithm, algorithm)
        assert trained.folds == 5
        assert np.isfinite(list(trained.quality.values())).all()


def test_a_class_weight_moves_predictions_to_it(tmp_path: Path) -> None:
    rows, mean = table(rows=300), {}
    for weight in (1.0, 20.0):
        folder = tmp_path / str(weight)
        _train(_trainer(rows, class_weights={"class 1": weight}), folder)
        mean[weight] = _out_of_fold(folder)[:, 1].mean()
    assert mean[20.0] > mean[1.0] + 0.1


@pytest.mark.parametrize("saves", [1, 4, 9, 14, 17])
def test_a_bag_that_is_interrupted_ends_as_if_it_had_not_been(tmp_path: Path, saves: int) -> None:
    rows, settings = table(rows=120), {"epochs": 3}
    whole = _train(_trainer(rows), tmp_path / "whole", "mlp", **settings)
    kept = Kept(seconds=0)

    def stop(count: int) -> None:
        if count == saves + 1:
            raise TakenBackError

    kept.saving = stop
    with pytest.raises(TakenBackError):
        _train(_trainer(rows, checkpoints=lambda candidate: kept), tmp_path / "cut", "mlp", **settings)
    kept.saving = None
    points: list[Any] = []
    trainer = _trainer(rows, checkpoints=lambda candidate: kept, watch=lambda candidate, point: points.append(point))
    resumed = _train(trainer, tmp_path / "later", "mlp", **settings)
    assert (resumed.model_sha256, resumed.quality) == (whole.model_sha256, whole.quality)
    assert np.array_equal(_out_of_fold(tmp_path / "whole"), _out_of_fold(tmp_path / "later"))
    assert [(point["fold"], point["epoch"]) for point in points] == [(f, e) for f in range(1, 6) for e in range(1, 4)]


def test_folds_that_are_trained_are_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.training.loop import loop

    rows, kept = table(rows=120), Kept(seconds=0)
    kept.saving = lambda count: (_ for _ in ()).throw(TakenBackError) if count == 12 else None  # amid the third fold
    with pytest.raises(TakenBackError):
        _train(_trainer(rows, checkpoints=lambda candidate: kept), tmp_path / "cut", "mlp", epochs=4)
    kept.saving = None
    epochs: list[int] = []
    batches = loop._remaining_batches

    def count(training: Any, at: Any) -> Any:
        epochs.append(at.epoch)
        return batches(training, at)

    monkeypatch.setattr(loop, "_remaining_batches", count)
    resumed = _train(_trainer(rows, checkpoints=lambda candidate: kept), tmp_path / "later", "mlp", epochs=4)
    assert epochs == [2, 3, 4, *(1, 2, 3, 4) * 2]
    assert len([note for note in resumed.notes if note.startswith("interrupted")]) == 1


def test_text_scores_are_as_sure_out_of_fold_as_they_are_right(tmp_path: Path) -> None:
    """The temperature is of rows that the model has not learned by heart."""
    random = np.random.default_rng(0)
    words = {"a": ["ball", "goal", "team"], "b": ["bank", "market", "price"]}
    common = [f"word{number}" for number in range(400)]
    labels = random.choice(["a", "b"], 900)
    said = np.where(random.random(900) < 0.15, np.where(labels == "a", "b", "a"), labels)  # some are misleading
    texts = [" ".join([*random.choice(words[one], 2), *random.choice(common, 12)]) for one in said]
    frame = pl.DataFrame({"text": texts, "target": labels})
    rows = profiled({"train": frame[:540], "validation": frame[540:600]}, "classification", texts=["text"])
    trained = _train(_trainer(rows, metric="log_loss"), tmp_path, "text_linear")
    signature = rows.dataset.signature
    served = OnnxModel(tmp_path / "model.onnx").run(feeds(frame[600:], signature))
    told = measure(signature, truth(frame[600:], signature), served)["log_loss"]
    assert trained.folds == 5
    assert told < trained.quality["log_loss"] + 0.1


def test_records_of_versions_before_the_bag_are_read() -> None:
    old = {
        "candidate": "one", "algorithm": "linear", "device": "cpu", "seconds": 1.0, "quality": {"accuracy": 0.7},
        "tolerance": 1e-4, "cross_quality": {"accuracy": 0.8}, "cross_interval": {"accuracy": [0.7, 0.9]},
        "model_sha256": "0",
    }  # fmt: skip
    read = TrainedCandidate.model_validate(old)
    assert (read.quality, read.interval, read.folds) == ({"accuracy": 0.8}, {"accuracy": (0.7, 0.9)}, 5)
    plain = TrainedCandidate.model_validate({**old, "cross_quality": {}, "cross_interval": {}})
    assert (plain.quality, plain.folds) == ({"accuracy": 0.7}, 0)
