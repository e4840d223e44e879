"""A network that starts from the weights of a registered model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file

from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.plan import Candidate
from pipeline.training.loop.fine_tuning import read_base
from pipeline.training.trainer import Trainer
from tests.fakes.tabular import Table, profiled, table
from tests.fakes.training import CPU, QUICK, Run, TrainIt
from tests.unit.training.test_texts import texts

Tune = Callable[..., Run]


@pytest.fixture(scope="module")
def base(train: TrainIt) -> Run:
    return train("mlp", table(rows=1200))


@pytest.fixture
def tune(base: Run, tmp_path: Path) -> Tune:
    """Train on few rows from the weights of ``base`` or of another run."""

    def tune_it(rows: Table, *, of: Run = base, has_same_outputs: bool = True, **settings: Any) -> Run:
        known = of.table
        weights = of.folder / "checkpoint.safetensors"
        base_weights = read_base(
            "demo/m@1", weights, known.splits["train"], known.dataset, has_same_outputs=has_same_outputs
        )
        trainer = Trainer(dataset=rows.dataset, splits=rows.splits, machine=CPU, seed=0, base=base_weights, folds=1)
        algorithm = of.trained.algorithm
        chosen = {**QUICK[algorithm], "base_model": "demo/m@1", **settings}
        candidate = Candidate(name="one", algorithm=algorithm, settings=chosen)
        trained = trainer.train(candidate, tmp_path, lambda text: None)
        return Run(table=rows, trained=trained, folder=tmp_path, reports=[])

    return tune_it


def moved(of: Run, run: Run) -> set[str]:
    """Return the modules whose weights changed."""
    before, after = (load_file(one.folder / "checkpoint.safetensors") for one in (of, run))
    assert before.keys() == after.keys()
    return {name.rpartition(".")[0] for name in before if not np.array_equal(before[name], after[name])}


def few(base: Run, rows: int = 48) -> Table:
    """Make new rows of the same kind, with the vocabularies of the base."""
    other = table(rows=rows * 2, seed=5)
    splits = {"train": other.splits["train"][:rows], "validation": table(rows=400, seed=6).validation}
    made = profiled(splits, "classification")
    columns = tuple(
        own.model_copy(update={"vocabulary": one.vocabulary})
        for own, one in zip(made.dataset.columns, base.table.dataset.columns, strict=True)
    )
    return Table(dataset=made.dataset.model_copy(update={"columns": columns}), splits=splits)


def test_only_the_last_layer_learns_if_weights_are_frozen(base: Run, tune: Tune) -> None:
    run = tune(few(base), freeze=True)
    assert moved(base, run) == {"layers.4"}
    assert run.difference() < 1e-5
    assert run.trained.notes[0].startswith("initialized with the weights of demo/m@1")
    assert "only the last layer was trained" in run.trained.notes


@pytest.mark.parametrize("algorithm", ["tabm", "resnet_mlp"])
def test_a_network_has_the_architecture_of_its_base_for_any_new_rows(
    algorithm: str, tune: Tune, train: TrainIt
) -> None:
    other = train(algorithm, table(rows=300))
    run = tune(few(other), of=other, freeze=True)
    assert len(moved(other, run)) == 1
    assert run.difference() < 1e-5


def test_fine_tuning_keeps_the_vocabulary_of_the_base(tune: Tune, train: TrainIt) -> None:
    other = train("transformer", texts())
    seen = texts(rows=80, seed=3)
    odd = {
        name: split.with_columns(pl.col("remark") + pl.lit(" never seen before")) for name, split in seen.splits.items()
    }
    run = tune(Table(dataset=other.table.dataset, splits=odd), of=other, freeze=True)
    assert len(moved(other, run)) == 1
    assert run.difference() < 1e-5
    assert run.trained.quality["accuracy"] > 0.85


def test_fine_tuning_on_few_rows_beats_training_from_scratch(base: Run, tune: Tune, train: TrainIt) -> None:
    rows = few(base)
    assert tune(rows).trained.quality["auc"] > train("mlp", rows).trained.quality["auc"] + 0.02


def test_other_classes_get_a_new_last_layer(base: Run, tune: Tune) -> None:
    renamed = few(base)
    splits = {
        name: split.with_columns(target=pl.col("target").replace_strict({"class 0": "low", "class 1": "top"}))
        for name, split in renamed.splits.items()
    }
    dataset = renamed.dataset.model_copy(update={"classes": ("low", "top")})
    run = tune(Table(dataset=dataset, splits=splits), has_same_outputs=False)
    assert "it predicts other classes; the last layer was reinitialized" in run.trained.notes
    assert run.trained.quality["auc"] > 0.8


def test_weights_that_do_not_fit_are_reinitialized_or_refused_with_freeze(base: Run, tune: Tune) -> None:
    rows = few(base)
    assert "did not fit and were reinitialized" in " ".join(tune(rows, hidden=(24,)).trained.notes)
    with pytest.raises(CandidateFailedError, match=r"freeze: the weights of demo/m@1 do not fit .* layers\.0"):
        tune(rows, hidden=(24,), freeze=True)


def test_gaps_that_the_base_has_not_seen_need_no_missing_indicator(base: Run, tune: Tune) -> None:
    rows = few(base)
    holed = {
        name: split.with_columns(age=pl.when(pl.int_range(pl.len()) % 5 == 0).then(None).otherwise(pl.col("age")))
        for name, split in rows.splits.items()
    }
    run = tune(Table(dataset=rows.dataset, splits=holed), freeze=True)
    assert run.difference() < 1e-5
