"""Folds keep groups whole and classes balanced; in a split by time they hold out later rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from pipeline.contracts.records.dataset import GROUP, TIME
from pipeline.contracts.records.plan import Candidate
from pipeline.training.algorithm import Rows, TrainingTask
from pipeline.training.features.preprocessing import forest_features
from pipeline.training.resampling.folds import assign_cross_fitting_folds, assign_folds, make_folds, separate_frequent
from pipeline.training.trainer import Trainer
from tests.fakes.tabular import Table, profiled, table
from tests.fakes.training import CPU

FOLDS = 5


def _rows(
    target: npt.NDArray[np.generic],
    group: npt.NDArray[np.int64] | None = None,
    time: npt.NDArray[np.float64] | None = None,
) -> Rows:
    return Rows(
        num=np.arange(len(target), dtype=np.float32)[:, None],
        cat=np.empty((len(target), 0), np.int64),
        target=target,
        group=None if group is None else group.astype(np.uint64),
        time=time,
    )


def _task(rows: Rows, classes: int) -> TrainingTask:
    return TrainingTask(
        classes=classes, cardinalities=(), train=rows, validation=rows, seed=0,
    )  # fmt: skip


def _straddling(group: npt.NDArray[np.int64], folds: npt.NDArray[np.int64]) -> int:
    pairs = np.unique(np.stack([group, folds], axis=1), axis=0)
    return len(pairs) - len(np.unique(group))


@pytest.mark.parametrize("classes", [0, 2, 7])
def test_no_group_is_in_two_folds_and_classes_are_as_balanced_as_in_scikit_learn(classes: int) -> None:
    random = np.random.default_rng(0)
    group = random.integers(0, 150, 900)
    target = random.integers(0, classes, 900) if classes else random.normal(size=900)
    folds = assign_folds(_rows(target, group), classes, FOLDS, 0)
    assert _straddling(group, folds) == 0
    assert set(np.unique(folds)) == set(range(FOLDS))
    assert np.ptp(np.bincount(folds)) <= 12
    if classes:
        peer = np.empty(900, np.int64)
        splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
        for number, (_, held) in enumerate(splitter.split(np.zeros(900), target, group)):
            peer[held] = number
        assert _unevenness(target, folds, classes) <= 1.1 * _unevenness(target, peer, classes)


def _unevenness(target: npt.NDArray[np.generic], folds: npt.NDArray[np.int64], classes: int) -> float:
    counts = np.array([np.bincount(target[folds == number], minlength=classes) for number in range(FOLDS)])
    return float(counts.std(axis=0).mean())


def test_folds_with_copies_of_rows_differ_by_at_most_one_row_per_class() -> None:
    random = np.random.default_rng(1)
    group = np.repeat(np.arange(400), random.choice([1, 1, 2], 400))
    target = group % 3
    folds = assign_folds(_rows(target, group), 3, FOLDS, 0)
    counts = np.array([np.bincount(target[folds == number], minlength=3) for number in range(FOLDS)])
    assert _straddling(group, folds) == 0
    assert np.ptp(counts, axis=0).max() <= 1


def test_a_class_of_one_group_trains_in_every_fold() -> None:
    group = np.repeat(np.arange(40), 3)
    target = (group % 2).astype(np.int64)
    target[group == 7] = 2
    folds = make_folds(_rows(target, group), 3, FOLDS, 0)
    assert len(folds) == FOLDS
    assert all((target[fold.train] == 2).sum() == 3 for fold in folds)


def test_classes_of_one_group_each_leave_no_fold() -> None:
    group = np.repeat(np.arange(2), 10)
    assert make_folds(_rows(group, group), 2, FOLDS, 0) == []


def test_a_time_window_trains_only_on_earlier_rows_and_the_last_window_uses_all_rows() -> None:
    random = np.random.default_rng(2)
    time = random.integers(0, 50, 400).astype(np.float64)
    folds = make_folds(_rows(random.integers(0, 2, 400), None, time), 2, FOLDS, 0)
    assert len(folds) == FOLDS
    for fold in folds:
        assert time[fold.train].max() < time[fold.held].min()
    assert sum(fold.held.sum() for fold in folds) == pytest.approx(200, abs=10)
    assert (folds[-1].train | folds[-1].held).all()


def test_time_windows_without_every_class_in_training_are_dropped() -> None:
    time = np.arange(200.0)
    target = (time > 130).astype(np.int64)
    folds = make_folds(_rows(target, None, time), 2, FOLDS, 0)
    assert folds
    assert all(set(target[fold.train]) == {0, 1} for fold in folds)


@pytest.mark.parametrize("by", ["group", "time"])
def test_cross_fitting_folds_keep_groups_and_times_whole(by: str) -> None:
    units = np.repeat(np.arange(30), 10)
    rows = _rows(
        np.zeros(300, np.int64), units if by == "group" else None, units.astype(np.float64) if by == "time" else None
    )
    folds = assign_cross_fitting_folds(rows, 2, FOLDS, 0)
    assert set(np.unique(folds)) == set(range(FOLDS))
    assert _straddling(units, folds) == 0


def test_the_code_of_a_category_that_identifies_the_group_does_not_leak_the_target() -> None:
    """A code that is cross-fitted among rows of the same group would leak the target."""
    random = np.random.default_rng(3)
    group = np.repeat(np.arange(60), 10)
    target = np.repeat(random.integers(0, 2, 60), 10)
    rows = replace(_rows(target, group), cat=group[:, None])
    task = replace(_task(rows, 2), cardinalities=(60,))
    _, features = forest_features(task)
    codes = features[:, -1]
    assert np.abs(np.corrcoef(codes, target)[0, 1]) < 0.3
    _, leaky = forest_features(replace(task, train=replace(rows, group=None)))
    assert np.corrcoef(leaky[:, -1], target)[0, 1] > 0.9


def _coin_flips(*, hidden: bool) -> Table:
    """Make 700 rows of noise, 550 of them twice: 44 % of the rows are copies."""
    random = np.random.default_rng(4)
    frame = pl.DataFrame({
        **{f"x{column}": pl.Series(random.normal(size=700), dtype=pl.Float32) for column in range(5)},
        "target": random.choice(["heads", "tails"], 700),
    })  # fmt: skip
    rows = pl.concat([frame, frame[:550]]).sample(fraction=1, shuffle=True, seed=0)
    rows = rows.with_columns(rows.hash_rows().alias(GROUP))
    ids = rows[GROUP].unique(maintain_order=True)
    validation = rows[GROUP].is_in(ids[:70].implode())
    data = profiled(
        {"train": rows.filter(~validation).drop(GROUP), "validation": rows.filter(validation).drop(GROUP)},
        "classification",
    )
    if not hidden:
        return data
    return replace(data, splits={"train": rows.filter(~validation), "validation": rows.filter(validation)})


@pytest.mark.parametrize("hidden", [True, False])
@pytest.mark.parametrize("algorithm", ["extra_trees", "kernel_ridge"])
def test_copies_of_rows_with_a_random_target_are_predicted_at_chance_level(
    tmp_path: Path, algorithm: str, hidden: bool
) -> None:
    rows = _coin_flips(hidden=hidden)
    trainer = Trainer(dataset=rows.dataset, splits=rows.splits, machine=CPU, seed=0, metric="accuracy")
    trained = trainer.train(Candidate(name="one", algorithm=algorithm), tmp_path, lambda text: None)
    assert trained.folds == 5
    assert 0.4 < trained.quality["accuracy"] < 0.6
    assert 0.4 < trained.quality["auc"] < 0.6


def test_a_frequent_row_is_split_into_separate_groups() -> None:
    group = np.array([1] * 30 + [2] * 4 + list(range(10, 76)), np.uint64)
    separated = separate_frequent(group, 0.05)
    assert len(np.unique(separated)) == 30 + 1 + 66
    assert len(np.unique(separated[30:34])) == 1


def test_rows_carry_the_hidden_group_and_time_columns() -> None:
    data = table(rows=80)
    splits = {
        name: frame.with_columns(
            pl.Series(GROUP, range(frame.height), dtype=pl.UInt64), pl.Series(TIME, range(frame.height), pl.Float64)
        )
        for name, frame in data.splits.items()
    }
    trainer = Trainer(dataset=data.dataset, splits=splits, machine=CPU, seed=0)
    task = trainer.make_task()
    both = task.train.concat(task.validation)
    assert both.group is not None
    assert both.time is not None
    assert both.group.tolist() == [*range(60), *range(20)]
    assert both.take(np.array([3, 61])).time.tolist() == [3.0, 1.0]  # type: ignore[union-attr]  # it has times
