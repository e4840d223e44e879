"""Few rows choose badly: small tables compare their candidates by cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts.outcome import OUT_OF_FOLD, TrainedCandidate
from pipeline.contracts.plan import Candidate
from pipeline.training.cross_validation import all_rows, out_of_fold
from pipeline.training.machine import Machine
from pipeline.training.recipe import Fitted, Problem, Rows
from pipeline.training.recipes import RECIPES
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

    def train(settings: object, fold: Problem) -> Fitted:
        mine = {places[row.tobytes()] for row in (*fold.train.num, *fold.validation.num)}
        seen.append(mine)

        def predict(rows: Rows) -> np.ndarray:
            assert not mine & {places[row.tobytes()] for row in rows.num}
            return np.full((len(rows), 2), 0.5)

        return Fitted(predict=predict, body=lambda: pytest.fail("nothing of a fold is exported"))

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
