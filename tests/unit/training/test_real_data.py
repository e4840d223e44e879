"""The served file on real data; the tests are skipped if the data sets are absent."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
from polars import selectors

from pipeline.contracts.signature import Task
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.scoring import truth
from tests.fakes.tabular import Table, profiled
from tests.fakes.training import Run, TrainIt

pytestmark = pytest.mark.slow

DATA = Path(os.environ.get("MODELDROP_DATA", Path(__file__).parents[4] / "shared" / "data"))
BOOSTING = {"n_estimators": 2000, "learning_rate": 0.05}


def _typed(name: str, part: str, task: Task, target: str) -> pl.DataFrame:
    file = DATA / name / f"{part}.csv"
    if not file.is_file():
        pytest.skip(f"{file} is absent: MODELDROP_DATA names the folder of the data sets")
    kind = pl.String if task == "classification" else pl.Float64
    frame = pl.read_csv(file, null_values=["?", ""], infer_schema_length=None)
    return frame.with_columns(
        (selectors.numeric() - selectors.by_name(target)).cast(pl.Float32),
        pl.col(target).cast(kind),
    )


def _tables(name: str, task: Task, target: str) -> tuple[Table, pl.DataFrame]:
    rows = _typed(name, "train", task, target).sample(fraction=1, shuffle=True, seed=0)
    cut = rows.height * 9 // 10
    return profiled({"train": rows[:cut], "validation": rows[cut:]}, task, target), _typed(name, "test", task, target)


def _quality(run: Run, test: pl.DataFrame) -> dict[str, float]:
    signature = run.table.dataset.signature
    return measure(signature, truth(test, signature), run.served(test))


def test_boosting_on_adult_reaches_the_measured_quality(train: TrainIt) -> None:
    rows, test = _tables("adult", "classification", "income")
    run = train("gradient_boosting", rows, **BOOSTING)
    quality = _quality(run, test)
    assert run.difference() < 1e-5
    assert quality["accuracy"] >= 0.866
    assert quality["auc"] >= 0.920


def test_boosting_on_california_housing_reaches_the_measured_quality(train: TrainIt) -> None:
    rows, test = _tables("california_housing", "regression", "median_house_value")
    run = train("gradient_boosting", rows, **BOOSTING)
    assert run.difference() < 1e-5
    assert _quality(run, test)["rmse"] <= 49_000


@pytest.mark.parametrize("algorithm", ["linear", "random_forest", "mlp"])
def test_the_served_files_of_other_algorithms_match_the_models_on_real_columns(algorithm: str, train: TrainIt) -> None:
    rows, _ = _tables("california_housing", "regression", "median_house_value")
    assert train(algorithm, rows).difference() < 1e-5
