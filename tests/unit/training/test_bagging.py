"""A bag has one model per fold, measured on the held-out rows of the fold; it predicts the mean of the models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.training.algorithm import FittedModel, Rows, RunContext, TrainingTask
from pipeline.training.resampling.bagging import Bag, average_models, train_bag
from pipeline.training.resampling.fold_checkpoints import BagCheckpoints
from pipeline.training.resampling.folds import make_folds
from tests.fakes.networks import Kept

FOLDS = 4


def _task(classes: int, rows: int = 42) -> TrainingTask:
    random = np.random.default_rng(0)
    target = np.arange(rows) % classes if classes else random.normal(size=rows)
    part = Rows(num=random.normal(size=(rows, 1)).astype(np.float32), cat=np.empty((rows, 0), np.int64), target=target)
    return TrainingTask(
        classes=classes,
        cardinalities=(),
        train=part,
        validation=part,
        seed=0,
    )


def _bag(task: TrainingTask, train: Any, context: RunContext | None = None) -> Bag:
    folds = make_folds(task.train, task.classes, FOLDS, task.seed)
    return train_bag(folds, task, context or RunContext(), train)


def _mean_of_targets(task: TrainingTask, context: RunContext) -> FittedModel:
    """A model that predicts the mean target of the rows that it was trained on."""
    mean = task.train.target.mean()
    return FittedModel(predict=lambda rows: np.full(len(rows), mean), body=lambda: None)  # type: ignore[arg-type, return-value]  # not exported here


def test_every_row_is_held_out_by_one_fold_and_the_bag_predicts_the_mean() -> None:
    trained: list[set[float]] = []
    held: list[set[float]] = []

    def note(task: TrainingTask, context: RunContext) -> FittedModel:
        trained.append(set(task.train.target.tolist()))
        held.append(set(task.validation.target.tolist()))
        return _mean_of_targets(task, context)

    task = _task(0)
    bag = _bag(task, note)
    assert not any(train_rows & held_rows for train_rows, held_rows in zip(trained, held, strict=True))
    assert all(
        train_rows | held_rows == set(task.train.target.tolist())
        for train_rows, held_rows in zip(trained, held, strict=True)
    )
    assert sum(map(len, held)) == len(set.union(*held)) == 42
    means = [np.mean(list(train_rows)) for train_rows in trained]
    predicted = average_models(bag.members, 0).predict(task.train)
    np.testing.assert_allclose(predicted, np.full(42, np.mean(means)))
    for mean, rows in zip(means, held, strict=True):
        np.testing.assert_allclose(bag.out_of_fold[np.isin(task.train.target, list(rows))], mean)


@pytest.mark.parametrize("classes", [2, 3])
def test_folds_are_stratified_by_class(classes: int) -> None:
    held: list[list[int]] = []

    def note(task: TrainingTask, context: RunContext) -> FittedModel:
        held.append(np.bincount(task.validation.target, minlength=classes).tolist())
        return FittedModel(
            predict=lambda rows: np.full((len(rows), classes), 1 / classes),
            body=lambda: None,  # type: ignore[arg-type, return-value]  # not exported here
        )

    _bag(_task(classes), note)
    assert np.ptp(np.array(held), axis=0).max() <= 1


def test_the_only_row_of_a_class_trains_in_every_fold_and_has_no_out_of_fold_prediction() -> None:
    task = _task(2)
    target = np.append(task.train.target[:-1], 2)
    task = replace(task, classes=3, train=replace(task.train, target=target))

    def note(fold: TrainingTask, context: RunContext) -> FittedModel:
        assert 2 in fold.train.target
        return FittedModel(
            predict=lambda rows: np.full((len(rows), 3), 1 / 3),
            body=lambda: None,  # type: ignore[arg-type, return-value]  # not exported here
        )

    bag = _bag(task, note)
    assert np.flatnonzero(np.isnan(bag.out_of_fold).any(axis=1)).tolist() == [41]


def test_the_bag_has_the_folds_that_were_trained_before_the_deadline() -> None:
    bag = _bag(_task(0), _mean_of_targets, RunContext(deadline=99, clock=lambda: 100.0))
    assert len(bag.members) == 1
    assert "ran out after 1 of 4 folds" in bag.notes[0]
    assert 0 < np.isfinite(bag.out_of_fold).sum() < 15


def test_each_fold_gets_an_equal_part_of_the_remaining_time() -> None:
    remaining: list[float] = []

    def note(fold: TrainingTask, context: RunContext) -> FittedModel:
        remaining.append(context.deadline)
        return _mean_of_targets(fold, context)

    _bag(_task(0), note, RunContext(deadline=100, clock=lambda: 0.0))
    assert remaining == [25, 100 / 3, 50, 100]


def test_reports_and_curves_have_the_number_of_the_fold() -> None:
    reports, points = list[str](), list[Mapping[str, float]]()

    def train(fold: TrainingTask, context: RunContext) -> FittedModel:
        context.report("epoch 1")
        context.watch({"epoch": 1})
        return replace(_mean_of_targets(fold, context), history=({"epoch": 1.0},), notes=("as always",))

    bag = _bag(_task(0), train, RunContext(report=reports.append, watch=points.append))
    assert reports == [f"fold {number} of 4, epoch 1" for number in (1, 2, 3, 4)]
    assert points == [{"fold": number, "epoch": 1} for number in (1, 2, 3, 4)]
    average = average_models(bag.members, 0)
    assert average.history == tuple({"fold": number, "epoch": 1.0} for number in (1, 2, 3, 4))
    assert average.notes == ("as always",)


def test_a_checkpoint_has_the_state_of_every_fold() -> None:
    checkpoints = Kept(seconds=0)
    bag = BagCheckpoints(checkpoints, lambda: 0.0)
    bag.of_fold(0).finish(b"end\nof 0")
    bag.of_fold(1).save(b"amid 1")
    later = BagCheckpoints(checkpoints, lambda: 0.0)
    assert [later.of_fold(number).load() for number in range(3)] == [b"end\nof 0", b"amid 1", None]
    assert [later.of_fold(number).is_finished for number in range(3)] == [True, False, False]


@pytest.mark.parametrize("held", [b"", b"x", b"\xff\n", b'{"a": [0.5, 1.0]}\nstate', b"[[1]]\n"])
def test_a_checkpoint_that_is_not_of_a_bag_is_ignored(held: bytes) -> None:
    checkpoints = Kept()
    checkpoints.held = held
    assert BagCheckpoints(checkpoints, lambda: 0.0).of_fold(0).load() is None
