from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from pipeline.training.algorithm import FittedModel, Problem, Rows
from pipeline.training.resampling.bagging import bagged

FOLDS = 4


def _problem(classes: int, rows: int = 42) -> Problem:
    random = np.random.default_rng(0)
    target = np.arange(rows) % classes if classes else random.normal(size=rows)
    part = Rows(num=random.normal(size=(rows, 1)).astype(np.float32), cat=np.empty((rows, 0), np.int64), target=target)
    return Problem(
        classes=classes,
        cardinalities=(),
        train=part,
        validation=part,
        seed=0,
        device="cpu",
        threads=1,
        report=lambda text: None,
    )


def _mean_of_targets(problem: Problem, number: int) -> FittedModel:
    """A model whose answer is the mean target of the rows that it was trained on."""
    mean = problem.train.target.mean()
    return FittedModel(predict=lambda rows: np.full(len(rows), mean), body=lambda: None)  # type: ignore[arg-type, return-value]  # not exported here


def test_every_row_stops_one_model_and_trains_the_others_whose_mean_answers() -> None:
    trained: list[set[float]] = []
    held: list[set[float]] = []

    def note(problem: Problem, number: int) -> FittedModel:
        trained.append(set(problem.train.target.tolist()))
        held.append(set(problem.validation.target.tolist()))
        return _mean_of_targets(problem, number)

    problem = _problem(0)
    fitted = bagged(FOLDS, problem, note)
    assert all(one | other == set(problem.train.target.tolist()) for one, other in zip(trained, held, strict=True))
    assert sum(map(len, held)) == len(set.union(*held)) == 42
    means = [np.mean(list(one)) for one in trained]
    np.testing.assert_allclose(fitted.predict(problem.train), np.full(42, np.mean(means)))


@pytest.mark.parametrize("classes", [2, 3])
def test_each_fold_has_its_share_of_each_class(classes: int) -> None:
    held: list[list[int]] = []

    def note(problem: Problem, number: int) -> FittedModel:
        held.append(np.bincount(problem.validation.target, minlength=classes).tolist())
        return FittedModel(
            predict=lambda rows: np.full((len(rows), classes), 1 / classes),
            body=lambda: None,  # type: ignore[arg-type, return-value]  # not exported here
        )

    bagged(FOLDS, _problem(classes), note)
    assert np.ptp(np.array(held), axis=0).max() <= 1


def test_a_class_of_one_row_trains_in_every_fold() -> None:
    problem = _problem(2)
    target = np.append(problem.train.target[:-1], 2)
    problem = replace(problem, classes=3, train=replace(problem.train, target=target))

    held: list[int] = []

    def note(fold: Problem, number: int) -> FittedModel:
        assert 2 in fold.train.target
        held.append(len(fold.validation))
        return FittedModel(
            predict=lambda rows: np.full((len(rows), 3), 1 / 3),
            body=lambda: None,  # type: ignore[arg-type, return-value]  # not exported here
        )

    bagged(FOLDS, problem, note)
    assert sum(held) == 41


def test_at_the_deadline_the_folds_so_far_answer() -> None:
    problem = replace(_problem(0), deadline=time.monotonic() - 1)
    begun: list[int] = []

    def note(fold: Problem, number: int) -> FittedModel:
        begun.append(number)
        return _mean_of_targets(fold, number)

    fitted = bagged(FOLDS, problem, note)
    assert fitted.notes == ("training time ran out after 1 of 4 folds; the models of these folds are used",)
    assert begun == [0]
    assert np.isfinite(fitted.predict(problem.train)).all()


def test_one_fold_is_the_problem_itself() -> None:
    problem = _problem(0)

    def same(fold: Problem, number: int) -> FittedModel:
        assert fold is problem
        return _mean_of_targets(fold, number)

    assert (bagged(1, problem, same).predict(problem.train) == problem.train.target.mean()).all()
