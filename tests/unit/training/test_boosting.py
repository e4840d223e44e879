"""LightGBM compares float32 columns with float64 thresholds, the ONNX file with float32 thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest

from pipeline.contracts.records.plan import Candidate
from pipeline.training.algorithm import Rows, RunContext
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.features.pair_rotation import select_rotations
from pipeline.training.trainer import Trainer
from tests.fakes.networks import task
from tests.fakes.tabular import profiled, table
from tests.fakes.training import CPU, QUICK, TrainIt


def test_adjacent_float32_numbers_take_the_same_branches_in_lightgbm_and_onnx(train: TrainIt) -> None:
    random = np.random.default_rng(0)
    base = np.float32(-118.243)
    steps = random.integers(0, 64, 2000)
    ladder = [base]
    for _ in range(63):
        ladder.append(np.nextafter(ladder[-1], np.float32(0)))
    target = (steps % 2) * 1.0 + steps / 64
    frame = pl.DataFrame({"longitude": pl.Series(np.array(ladder)[steps]), "target": pl.Series(target)})
    run = train(
        "gradient_boosting",
        profiled({"train": frame[:1500], "validation": frame[1500:]}, "regression"),
        n_estimators=200,
        learning_rate=0.3,
        min_child_samples=1,
        folds=1,
    )
    assert run.trained.quality["r2"] > 0.99
    assert run.difference() < 1e-5


def test_missing_values_take_the_branch_that_training_chose(train: TrainIt) -> None:
    random = np.random.default_rng(0)
    x = pl.Series(random.normal(size=800), dtype=pl.Float32)
    holes = pl.Series(random.random(800) < 0.3)
    frame = pl.DataFrame({"x": x.set(holes, None), "target": pl.Series(np.where(holes, 5.0, x.to_numpy()))})
    run = train("gradient_boosting", profiled({"train": frame[:600], "validation": frame[600:]}, "regression"))
    assert run.trained.quality["r2"] > 0.95
    assert run.difference() < 1e-5


def test_early_stopping_follows_the_validation_rows(train: TrainIt) -> None:
    noise = table("regression", rows=200)
    shuffled = {name: split.with_columns(pl.col("target").shuffle(seed=1)) for name, split in noise.splits.items()}
    few = {"n_estimators": 500, "early_stopping_rounds": 5, "folds": 1}
    run = train("gradient_boosting", profiled(shuffled, "regression"), **few)
    (trees,) = (n for n in onnx.load(run.folder / "model.onnx").graph.node if n.op_type == "TreeEnsemble")
    (roots,) = (attribute.ints for attribute in trees.attribute if attribute.name == "tree_roots")
    assert len(roots) < 30


def test_boosting_in_several_folds_is_served_as_one_tree_ensemble(train: TrainIt) -> None:
    rows = table("regression", rows=300)
    run = train("gradient_boosting", rows, folds=3)
    nodes = onnx.load(run.folder / "model.onnx").graph.node
    assert sum(node.op_type == "TreeEnsemble" for node in nodes) == 1
    assert run.difference() < 1e-5


def test_no_rotation_is_tried_for_very_many_columns() -> None:
    random = np.random.default_rng(0)
    numbers = random.normal(size=(300, 201)).astype(np.float32)
    target = np.where(numbers[:, 0] + numbers[:, 1] > 0, 1.0, 0.0)
    assert select_rotations(numbers, target, 201, {"objective": "regression", "verbose": -1}, seed=0) == ()
    assert select_rotations(numbers[:, :3], target, 3, {"objective": "regression", "verbose": -1}, seed=0) == ((0, 1),)


def test_rotating_a_pair_of_columns_improves_a_diagonal_boundary(train: TrainIt) -> None:
    random = np.random.default_rng(0)
    numbers = random.normal(size=(1500, 3)).astype(np.float32)
    target = np.where(numbers[:, 0] + numbers[:, 2] > 0, 5.0, 0.0) + numbers[:, 1]
    frame = pl.DataFrame({name: pl.Series(numbers[:, i]) for i, name in enumerate("abc")} | {"target": target})
    rows = profiled({"train": frame[:1000], "validation": frame[1000:]}, "regression")
    plain, rotated = (train("gradient_boosting", rows, folds=1, turn=turn) for turn in (False, True))
    assert rotated.trained.quality["rmse"] < 0.8 * plain.trained.quality["rmse"]
    assert rotated.difference() < 1e-5


@pytest.mark.parametrize(("metric", "shown"), [("log_loss", "validation_loss"), ("auc", "auc")])
@pytest.mark.parametrize("folds", [1, 2])
def test_the_curve_is_reported_every_fifty_trees_of_each_fold(
    tmp_path: Path, metric: str, shown: str, folds: int
) -> None:
    points, reports = list[Mapping[str, float]](), list[str]()
    rows = table("classification", rows=300)
    trainer = Trainer(
        dataset=rows.dataset, splits=rows.splits, machine=CPU, seed=0, metric=metric, folds=1,
        watch=lambda candidate, point: points.append(point),
    )  # fmt: skip
    quick = {**QUICK["gradient_boosting"], "n_estimators": 120, "early_stopping_rounds": 120, "folds": folds}
    trainer.train(Candidate(name="one", algorithm="gradient_boosting", settings=quick), tmp_path, reports.append)
    assert [point["tree"] for point in points] == [50, 100] * folds
    assert [point["fold"] for point in points if "fold" in point] == ([1, 1, 2, 2] if folds == 2 else [])
    assert all(0 < point[shown] <= 1 for point in points)
    assert any(f"held-out {shown.removeprefix('validation_')} {points[-1][shown]:.4f}" in line for line in reports)


def test_trees_of_few_columns_sample_at_least_six_columns() -> None:
    """One of eight columns determines the value; a sample of 0.3 would be two columns, and most trees would miss it."""
    random = np.random.default_rng(0)
    num = random.normal(size=(600, 8)).astype(np.float32)
    rows = Rows(num=num, cat=np.empty((600, 0), np.int64), target=np.sin(num[:, 3] * 2).astype(np.float64))
    training_task = task(classes=0, train=rows.take(np.arange(500)), validation=rows.take(np.arange(500, 600)))
    algorithm = ALGORITHMS["gradient_boosting"]
    settings = {"n_estimators": 60, "learning_rate": 0.1, "num_leaves": 7, "turn": False, "extra_trees": False}
    errors = {}
    for fraction in (0.3, 1.0):
        fitted = algorithm.train(
            algorithm.configure({**settings, "feature_fraction": fraction}), training_task, RunContext()
        )
        errors[fraction] = np.sqrt(
            np.mean((fitted.predict(training_task.validation) - training_task.validation.target) ** 2)
        )
    assert errors[0.3] < 1.5 * errors[1.0]
