"""Requirements that every tabular algorithm meets."""

from __future__ import annotations

import gc
import hashlib
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.compression.verify import VerifyEdgeRows
from pipeline.contracts.algorithms.catalog import CATALOG_FILE, catalog, catalog_text
from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.outcome import EDGES, REFERENCE, TrainedCandidate
from pipeline.contracts.signature import Task
from pipeline.evaluation.golden.edge_rows import edge_rows
from pipeline.evaluation.scoring import feeds
from pipeline.training.algorithm import Rows, RunContext, TrainingTask
from pipeline.training.algorithms import ALGORITHMS
from tests.fakes.tabular import profiled, table
from tests.fakes.training import Run, TrainIt

NAMES: list[str] = [
    "linear",
    "kernel_ridge",
    "random_forest",
    "extra_trees",
    "gradient_boosting",
    "tabm",
    "resnet_mlp",
    "mlp",
]
CASES: list[tuple[str, Task, int]] = [
    (algorithm, task, classes)
    for algorithm in NAMES
    for task, classes in (("classification", 2), ("classification", 3), ("regression", 0))
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]} {case[1]} {case[2]}")
def run(request: pytest.FixtureRequest, train: TrainIt) -> Run:
    algorithm, task, classes = request.param
    return train(algorithm, table(task, classes=classes))


def test_the_model_learns_the_rule_of_the_table(run: Run) -> None:
    quality = run.trained.quality
    if run.table.dataset.task == "regression":
        assert quality["r2"] > 0.6
    else:
        assert quality["accuracy"] > {2: 0.78, 3: 0.65}[len(run.table.dataset.classes)]
        assert quality["auc"] > 0.85


def test_the_served_file_predicts_like_the_trained_model(run: Run) -> None:
    assert run.difference() < 1e-5
    assert 1e-5 < run.trained.tolerance < 1e-3


def test_the_served_file_predicts_edge_rows_like_the_trained_model(run: Run) -> None:
    """The compress job makes this check: missing, unknown and extreme values, together and one at a time."""
    signature = run.table.dataset.signature
    with np.load(run.folder / REFERENCE) as reference:
        predicted = reference[EDGES]
    rows = feeds(edge_rows(run.table.validation, signature), signature)
    assert len(predicted) == len(rows["age"]) >= 4
    key = "value" if signature.task == "regression" else "probabilities"
    scale = float(run.table.validation["target"].std()) if signature.task == "regression" else 1.0
    verify = VerifyEdgeRows(signature, rows, {key: predicted}, tolerance=run.trained.tolerance, scale=scale)
    verify((run.folder / "model.onnx").read_bytes())


def test_the_training_record_matches_the_files(run: Run) -> None:
    names = {file.name for file in run.folder.iterdir()}
    network = {"checkpoint.safetensors"} if run.trained.algorithm in ("mlp", "tabm", "resnet_mlp") else set()
    assert names == {"model.onnx", "body.onnx", "reference.npz", "trained.json"} | network
    assert TrainedCandidate.from_bytes((run.folder / "trained.json").read_bytes()) == run.trained
    assert hashlib.sha256((run.folder / "model.onnx").read_bytes()).hexdigest() == run.trained.model_sha256


def test_missing_unknown_and_extreme_values_get_a_prediction(run: Run) -> None:
    strange = pl.DataFrame(
        {
            "age": [None, 1e30, -5.0],
            "income": [None, -1e30, 0.0],
            "works": [None, None, 1.0],
            "city": [None, "Atlantis", "Rome"],
            "plan": [None, "", "PRO"],
        },
        schema_overrides={"age": pl.Float32, "income": pl.Float32, "works": pl.Float32},
    )
    predictions = run.served(strange)
    if run.table.dataset.task == "regression":
        assert np.isfinite(predictions.values).all()
    else:
        np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("algorithm", NAMES)
def test_the_same_seed_gives_the_same_file(algorithm: str, train: TrainIt) -> None:
    rows = table("regression", rows=200)
    first, second = (train(algorithm, rows, seed=7).trained.model_sha256 for _ in range(2))
    assert first == second


@pytest.mark.parametrize("algorithm", NAMES)
@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_a_table_may_have_only_numeric_or_only_categorical_columns(algorithm: str, kind: str, train: TrainIt) -> None:
    rows = table(rows=200, numeric=kind == "numeric", categorical=kind == "categorical")
    assert train(algorithm, rows).difference() < 1e-5


@pytest.mark.parametrize("algorithm", NAMES)
def test_one_column_and_two_dozen_rows_are_enough(algorithm: str, train: TrainIt) -> None:
    rows = table(rows=32)
    few = profiled({name: split.select("plan", "target") for name, split in rows.splits.items()}, "classification")
    assert train(algorithm, few).difference() < 1e-5


@pytest.mark.parametrize("algorithm", NAMES)
def test_the_validation_rows_may_lack_a_class(algorithm: str, train: TrainIt) -> None:
    rows = table(classes=3, rows=200)
    lacking = rows.validation.filter(pl.col("target") != "class 2")
    run = train(algorithm, profiled({"train": rows.splits["train"], "validation": lacking}, "classification"))
    assert run.served(lacking).probabilities.shape[1] == 3
    assert run.difference() < 1e-5


@pytest.mark.parametrize("algorithm", NAMES)
@pytest.mark.parametrize("lost", ["class 1", "class 2"])
def test_the_training_rows_may_lack_a_class(algorithm: str, lost: str, train: TrainIt) -> None:
    """A split by time can cause this: each probability stays with its class, and the missing class has a low one."""
    rows = table(classes=3, rows=400)
    splits = {name: split.filter(pl.col("target") != lost) for name, split in rows.splits.items()}
    lacking = replace(rows, splits=splits)
    run = train(algorithm, lacking)
    predictions = run.served(lacking.validation)
    assert predictions.probabilities.shape[1] == 3
    assert predictions.probabilities[:, rows.dataset.classes.index(lost)].max() < 0.2
    assert run.trained.quality["accuracy"] > 0.75
    assert run.difference() < 1e-5


@pytest.mark.parametrize("algorithm", NAMES)
def test_gaps_in_a_column_without_training_gaps_are_predicted_alike_by_the_served_file(
    algorithm: str, train: TrainIt
) -> None:
    rows = table("regression", rows=300)
    gap = rows.validation.with_columns(age=pl.lit(None, pl.Float32))
    holed = profiled({"train": rows.splits["train"], "validation": gap}, "regression")
    run = train(algorithm, holed)
    assert run.difference() < 1e-5


@pytest.mark.parametrize("algorithm", NAMES)
def test_the_served_file_matches_the_model_for_numbers_and_targets_far_from_zero(
    algorithm: str, train: TrainIt
) -> None:
    random = np.random.default_rng(0)
    year = random.integers(1950, 2020, 300)
    frame = pl.DataFrame(
        {
            "year": pl.Series(year, dtype=pl.Float32),
            "stamp": pl.Series(1.6e9 + random.normal(0, 1e6, 300), dtype=pl.Float32),
            "target": pl.Series(1e6 + year * 1.0 + random.normal(0, 1, 300), dtype=pl.Float64),
        }
    )
    run = train(algorithm, profiled({"train": frame[:200], "validation": frame[200:]}, "regression"))
    assert run.trained.quality["r2"] > 0.9
    assert run.difference() < run.trained.tolerance < 0.01


@pytest.mark.parametrize("algorithm", NAMES)
def test_an_unknown_setting_is_refused_by_name(algorithm: str, train: TrainIt) -> None:
    setting = next(iter(ALGORITHMS[algorithm].spec.defaults))
    with pytest.raises(CandidateFailedError, match=f"{algorithm} has no setting '{setting}x': .*'{setting}'"):
        train(algorithm, table(rows=40), **{f"{setting}x": 1})


def test_the_catalog_file_matches_the_declared_algorithms() -> None:
    declared = tuple(algorithm.spec for algorithm in ALGORITHMS.values())
    assert CATALOG_FILE.read_text() == catalog_text(declared), "run python -m tools.generated_files"
    assert tuple(catalog().values()) == declared


def test_declarations_import_no_training_library() -> None:
    heavy = ["torch", "sklearn", "lightgbm", "onnx", "skl2onnx", "scipy"]
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({heavy!r}))\n"
        "from pipeline.training.algorithms import ALGORITHMS\n"
        "assert all(algorithm.spec.hyperparameters and algorithm.spec.tasks for algorithm in ALGORITHMS.values())"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["linear", "random_forest", "gradient_boosting", "mlp"])
def test_a_fitted_model_does_not_keep_the_training_rows_in_memory(name: str) -> None:
    num = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    rows = Rows(num=num, cat=np.empty((200, 0), np.int64), target=(num[:, 0] > 0).astype(np.int64))
    task = TrainingTask(train=rows, validation=rows, classes=2, cardinalities=(), seed=0, metric="accuracy")
    algorithm, array_reference = ALGORITHMS[name], weakref.ref(num)
    fitted = algorithm.train(algorithm.configure({}), task, RunContext())
    few = rows.take(np.arange(5))
    del num, rows, task
    gc.collect()
    assert array_reference() is None
    assert fitted.predict(few).shape == (5, 2)
