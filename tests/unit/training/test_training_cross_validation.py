"""Few rows choose badly: small tables compare their candidates by cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts.records.outcome import OUT_OF_FOLD, TrainedCandidate
from pipeline.contracts.records.plan import Candidate
from pipeline.training.algorithm import FittedModel, Problem, Rows
from pipeline.training.algorithms import RECIPES
from pipeline.training.distributed.machine import Machine
from pipeline.training.resampling.bagging import bagged
from pipeline.training.resampling.cross_validation import all_rows, out_of_fold
from pipeline.training.trainer import Trainer
from tests.fakes.tabular import Table, table


def _trainer(rows: Table, **knobs: object) -> Trainer:
    machine = Machine(device="cpu", description="cpu", threads=1)
    return Trainer(dataset=rows.dataset, splits=rows.splits, machine=machine, seed=0, metric="accuracy", **knobs)  # type: ignore[arg-type]


def _trained(trainer: Trainer, folder: Path) -> TrainedCandidate:
    folder.mkdir(exist_ok=True)
    return trainer.train(Candidate(name="linear", algorithm="linear"), folder, lambda text: None)


def test_no_row_is_answered_by_a_model_that_has_seen_it() -> None:
    problem = _trainer(table(rows=100)).problem(Candidate(name="linear", algorithm="linear"), lambda text: None)
    everything = all_rows(problem)
    places = {row.tobytes(): index for index, row in enumerate(everything.num)}
    seen: list[set[int]] = []

    def train(settings: object, fold: Problem) -> FittedModel:
        mine = {places[row.tobytes()] for row in (*fold.train.num, *fold.validation.num)}
        seen.append(mine)

        def predict(rows: Rows) -> np.ndarray:
            assert not mine & {places[row.tobytes()] for row in rows.num}
            return np.full((len(rows), 2), 0.5)

        return FittedModel(predict=predict, body=lambda: pytest.fail("nothing of a fold is exported"))

    answers = out_of_fold(replace(RECIPES["linear"], train=train), {}, problem)
    assert answers is not None
    assert answers.shape == (len(problem.train) + len(problem.validation), 2)
    assert len(seen) == 5


@pytest.mark.parametrize(("knob", "crossed"), [(None, True), (True, True), (False, False)])
def test_a_small_table_is_cross_validated_unless_it_is_not_wanted(
    tmp_path: Path, knob: bool | None, crossed: bool
) -> None:
    trained = _trained(_trainer(table(rows=150), cross_validate=knob), tmp_path)
    assert bool(trained.cross_quality) == crossed
    assert (tmp_path / OUT_OF_FOLD).exists() == crossed
    if crossed:
        low, high = trained.cross_interval["accuracy"]
        assert low < trained.cross_quality["accuracy"] < high


def test_where_the_time_is_over_the_validation_rows_decide(tmp_path: Path) -> None:
    assert _trained(_trainer(table(rows=150), deadline=0.0), tmp_path).cross_quality == {}


def test_the_same_seed_gives_the_same_folds(tmp_path: Path) -> None:
    make: Callable[[str], TrainedCandidate] = lambda name: _trained(_trainer(table(rows=150)), tmp_path / name)  # noqa: E731
    assert make("one").cross_quality == make("two").cross_quality


@pytest.mark.parametrize("by", ["time", "group"])  # groups that are not told: files of an older version
def test_rows_that_a_split_keeps_apart_are_not_dealt_to_folds(tmp_path: Path, by: str) -> None:
    rows = table(rows=150)
    kept_apart = replace(rows, dataset=rows.dataset.model_copy(update={"split_by": by}))
    trainer = _trainer(kept_apart, cross_validate=True)
    trained = _trained(trainer, tmp_path)
    assert trained.cross_quality == {}
    problem = trainer.problem(Candidate(name="linear", algorithm="linear"), lambda text: None)
    seen: list[Problem] = []

    def train(fold: Problem, number: int) -> FittedModel:
        seen.append(fold)
        return RECIPES["linear"].train(RECIPES["linear"].complete({}), fold)

    bagged(5, problem, train)
    assert len(seen) == 1
    assert seen[0] is problem


def test_each_fold_of_a_private_training_would_spend_the_epsilon_again(tmp_path: Path) -> None:
    trainer = _trainer(table(rows=150, categorical=False), cross_validate=True)
    settings = {"privacy_epsilon": 3.0, "epochs": 1, "hidden": (4,), "batch_size": 32}
    trained = trainer.train(Candidate(name="mlp", algorithm="mlp", settings=settings), tmp_path, lambda text: None)
    assert trained.privacy
    assert trained.cross_quality == {}


def test_a_classes_weight_moves_answers_to_it(tmp_path: Path) -> None:
    rows = table(rows=300)
    sure = {}
    for weight in (1.0, 20.0):
        trainer = _trainer(rows, class_weights={"class 1": weight})
        trained = _trained(trainer, tmp_path / str(weight))
        answers = np.load(tmp_path / str(weight) / OUT_OF_FOLD)["answers"]
        assert trained.cross_quality
        sure[weight] = answers[:, 1].mean()
    assert sure[20.0] > sure[1.0] + 0.1
