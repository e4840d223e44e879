"""Numbers with a large offset and a small signal, which float32 cannot hold, are learned and served."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest

from pipeline.compression.passes.quantization.dynamic_int8 import DYNAMIC_CONFIGS, DynamicInt8
from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.signature import Task
from pipeline.ensembling.distillation import distill, load_teacher
from pipeline.ensembling.students import STUDENTS
from pipeline.evaluation.scoring import OnnxModel, feeds
from pipeline.graphs.blending import blend
from pipeline.graphs.served_graph import wrap
from pipeline.training.algorithm import RunContext
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.loop.fine_tuning import read_base
from pipeline.training.trainer import Trainer
from tests.fakes.tabular import Table, profiled
from tests.fakes.training import CPU, QUICK, Run, TrainIt

TABLES = [
    "linear", "random_forest", "extra_trees", "gradient_boosting", "kernel_ridge", "mlp", "resnet_mlp", "tabm",
]  # fmt: skip
# A step of float32 is 64 at 1e9, 0.5 at 6,650,003.4, 0.25 at 2,460,000 and 3.8e-6 at 52.52.
COLUMNS = {
    "counter": (1_000_000_000.0, 40.0),
    "northing": (6_650_003.4, 0.9),
    "julian_day": (2_460_310.25, 0.3),
    "latitude": (52.5200066, 2e-6),
}


def threshold(column: str, task: Task = "classification", rows: int = 400, seed: int = 0) -> Table:
    """The target is the side of the offset or the distance to it; a tenth of the rows lacks the number."""
    offset, spread = COLUMNS[column]
    random = np.random.default_rng(seed)
    step = random.uniform(-1, 1, rows)
    values = pl.Series(offset + spread * step)
    gaps = pl.Series(random.random(rows) < 0.1)
    side = np.where(gaps.to_numpy(), random.random(rows) < 0.5, step > 0)
    target = pl.Series(np.where(side, "over", "under")) if task == "classification" else pl.Series(5 + 2 * step)
    frame = pl.DataFrame(
        {
            "shift": pl.Series(random.integers(1, 4, rows), dtype=pl.Float32),
            column: values.set(gaps, None) if task == "classification" else values,
            "noise": pl.Series(random.normal(size=rows), dtype=pl.Float32),
            "target": target,
        }
    )
    cut = rows * 3 // 4
    return profiled({"train": frame[:cut], "validation": frame[cut:]}, task, wide=(column,))


def accuracy(run: Run, column: str) -> float:
    rows = run.table.validation.filter(pl.col(column).is_not_null())
    return float((run.served(rows).labels == rows["target"].to_numpy()).mean())


@pytest.mark.parametrize("algorithm", TABLES)
@pytest.mark.parametrize("column", ["counter", "latitude"])
def test_a_threshold_that_float32_cannot_resolve_is_learned_and_served(
    algorithm: str, column: str, train: TrainIt
) -> None:
    run = train(algorithm, threshold(column))
    assert accuracy(run, column) > 0.95
    assert run.difference() <= run.trained.tolerance


@pytest.mark.parametrize("column", ["northing", "julian_day"])
@pytest.mark.parametrize("algorithm", ["linear", "gradient_boosting", "mlp"])
def test_a_regression_follows_small_steps_of_a_large_number(algorithm: str, column: str, train: TrainIt) -> None:
    run = train(algorithm, threshold(column, "regression"))
    assert run.trained.quality["r2"] > 0.95
    assert run.difference() <= run.trained.tolerance


@pytest.mark.parametrize("algorithm", ["random_forest", "gradient_boosting", "kernel_ridge", "mlp"])
def test_bands_within_one_float32_step_are_learned(algorithm: str, train: TrainIt) -> None:
    random = np.random.default_rng(1)
    step = random.integers(0, 64, 800)  # all values are equal in float32
    frame = pl.DataFrame(
        {
            "counter": pl.Series(1_000_000_000 + step, dtype=pl.Float64),
            "target": pl.Series(np.where((step // 16) % 2 == 1, "yes", "no")),
        }
    )
    run = train(
        algorithm, profiled({"train": frame[:600], "validation": frame[600:]}, "classification", wide=["counter"])
    )
    assert accuracy(run, "counter") > 0.95
    assert run.difference() <= run.trained.tolerance


def test_the_signal_is_lost_if_the_column_is_not_marked_as_wide(train: TrainIt) -> None:
    narrow = threshold("counter")
    columns = tuple(column.model_copy(update={"is_wide": False}) for column in narrow.dataset.columns)
    dataset = narrow.dataset.model_copy(update={"columns": columns})
    assert accuracy(train("gradient_boosting", Table(dataset=dataset, splits=narrow.splits)), "counter") < 0.9


@pytest.mark.parametrize("algorithm", ["k_means", "gaussian_mixture"])
def test_clusters_closer_than_a_float32_step_are_found(algorithm: str, train: TrainIt) -> None:
    random = np.random.default_rng(2)
    group = random.integers(0, 2, 400)
    frame = pl.DataFrame({"counter": pl.Series(1_000_000_000 + 30.0 * group + random.normal(0, 1, 400))})
    splits = {"train": frame[:300], "validation": frame[300:]}
    table = profiled(splits, "clustering", target="", wide=["counter"])
    run = train(algorithm, table, clusters=2)
    labels = run.served(frame).labels
    assert {len(set(labels[group == number])) for number in (0, 1)} == {1}
    assert labels[group == 0][0] != labels[group == 1][0]


def test_int8_quantization_keeps_the_subtraction_of_the_offset(train: TrainIt) -> None:
    run = train("mlp", threshold("counter"))
    small = DynamicInt8(DYNAMIC_CONFIGS[0])((run.folder / "body.onnx").read_bytes()).model
    signature = run.table.dataset.signature
    served = OnnxModel(wrap(onnx.load_from_string(small), run.table.dataset, signature).SerializeToString())
    rows = run.table.validation.filter(pl.col("counter").is_not_null())
    assert (served.run(feeds(rows, signature)).labels == rows["target"].to_numpy()).mean() > 0.95


def test_a_wide_column_is_learned_next_to_texts(train: TrainIt) -> None:
    made = threshold("counter")
    random = np.random.default_rng(3)

    def with_more(frame: pl.DataFrame) -> pl.DataFrame:
        words = pl.Series([" ".join(random.choice(["the", "box", "came", "late"], 5)) for _ in range(frame.height)])
        return frame.with_columns(remark=words)

    splits = {name: with_more(frame) for name, frame in made.splits.items()}
    run = train("linear", profiled(splits, "classification", texts=["remark"], wide=["counter"]))
    assert accuracy(run, "counter") > 0.95
    assert run.difference() <= run.trained.tolerance


def test_fine_tuning_uses_the_center_of_the_base_for_a_wide_column(train: TrainIt, tmp_path: Path) -> None:
    """With the center of the base (planning.align_columns_to_base) the weights of the base keep their meaning."""
    base = train("mlp", threshold("counter", seed=4))
    other = threshold("counter", rows=80, seed=5)
    read = other.dataset.model_copy(update={"columns": base.table.dataset.columns})
    base_weights = read_base(
        "demo/m@1",
        base.folder / "checkpoint.safetensors",
        base.table.splits["train"],
        read,
        has_same_outputs=True,
    )
    trainer = Trainer(dataset=read, splits=other.splits, machine=CPU, seed=0, base=base_weights, folds=1)
    settings = {**QUICK["mlp"], "base_model": "demo/m@1", "freeze": True, "epochs": 1, "learning_rate": 1e-6}
    trained = trainer.train(Candidate(name="one", algorithm="mlp", settings=settings), tmp_path, lambda text: None)
    run = Run(table=Table(dataset=read, splits=other.splits), trained=trained, folder=tmp_path, reports=[])
    assert accuracy(run, "counter") > 0.95
    assert run.difference() <= trained.tolerance


def test_a_blend_and_a_student_classify_by_a_wide_column(train: TrainIt) -> None:
    rows = threshold("counter", rows=800)
    bodies = [onnx.load(train(name, rows).folder / "body.onnx") for name in ("random_forest", "mlp")]
    body = blend(bodies, [0.5, 0.5], classes=2)
    task = Trainer(dataset=rows.dataset, splits=rows.splits, machine=CPU, seed=0, folds=1).make_task()
    teacher = load_teacher(body, classes=2, threads=1)
    name = "gradient_boosting"
    student = distill(ALGORITHMS[name], STUDENTS[name], task, RunContext(), teacher)
    signature = rows.dataset.signature
    shown = rows.validation.filter(pl.col("counter").is_not_null())
    for made, predicted in ((body, None), (student.body(), student.predict(task.validation))):
        served = OnnxModel(wrap(made, rows.dataset, signature).SerializeToString())
        assert (served.run(feeds(shown, signature)).labels == shown["target"].to_numpy()).mean() > 0.95
        if predicted is not None:
            probabilities = served.run(feeds(rows.validation, signature)).probabilities
            np.testing.assert_allclose(probabilities, predicted, atol=1e-3)


CODE = """
import torch

def build(shape, settings):
    return torch.nn.Sequential(torch.nn.Linear(shape.numbers, 16), torch.nn.ReLU(), torch.nn.Linear(16, shape.outputs))
"""


def test_a_user_module_receives_the_signal_of_a_wide_column(tmp_path: Path) -> None:
    rows = threshold("latitude")
    code = tmp_path / "model.py"
    code.write_text(CODE)
    trainer = Trainer(dataset=rows.dataset, splits=rows.splits, machine=CPU, seed=0, code=code, folds=1)
    settings = {"epochs": 15, "batch_size": 32, "learning_rate": 0.01}
    candidate = Candidate(name="one", algorithm="model_py", settings=settings)
    trained = trainer.train(candidate, tmp_path, lambda text: None)
    run = Run(table=rows, trained=trained, folder=tmp_path, reports=[])
    assert accuracy(run, "latitude") > 0.9
    assert run.difference() <= trained.tolerance
