"""Targets of regressions: the loss follows the metric, a transform is selected, and 0 may be the minimum."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import polars as pl
import pytest

from pipeline.ensembling.distillation import distill
from pipeline.training.algorithm import Algorithm, FittedModel, Objective, Rows, RunContext, TrainingTask
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.algorithms.linear import LinearConfig
from pipeline.training.features.target_transform import Kind, TargetTransform, target_transforms
from pipeline.training.search.target_selection import select_target_transform
from tests.fakes.networks import task
from tests.fakes.tabular import Table, profiled
from tests.fakes.training import QUICK, Run, TrainIt

NETWORKS = ["mlp", "tabm", "resnet_mlp"]
FAMILIES = ["linear", "random_forest", "extra_trees", "gradient_boosting", *NETWORKS]


def _prices(rows: int = 900, *, noise: float = 0.8, zeros: float = 0.0) -> Table:
    """Log-normal amounts whose logarithm is a sum of columns; a fraction of them is 0."""
    random = np.random.default_rng(0)
    size, age = random.normal(size=(2, rows))
    value = 1_000 * np.exp(size + 0.5 * age + noise * random.normal(size=rows))
    value[random.random(rows) < zeros] = 0
    return _split({"size": size, "age": age}, value)


def _counts(rows: int = 900) -> Table:
    random = np.random.default_rng(0)
    size, age = random.normal(size=(2, rows))
    return _split({"size": size, "age": age}, random.poisson(np.exp(0.5 + 0.9 * size - 0.4 * age)))


def _split(columns: dict[str, npt.NDArray[Any]], value: npt.NDArray[Any]) -> Table:
    series = {name: pl.Series(values, dtype=pl.Float32) for name, values in columns.items()}
    frame = pl.DataFrame({**series, "target": pl.Series(value, dtype=pl.Float64)})
    cut = frame.height * 3 // 4
    return profiled({"train": frame[:cut], "validation": frame[cut:]}, "regression")


def _note(run: Run) -> str:
    return next((note for note in run.trained.notes if note.startswith("it learns ")), "")


def _exponential(metric: str) -> TrainingTask:
    """Make rows without information about an exponentially distributed value of mean 1 and median 0.69."""
    random = np.random.default_rng(0)

    def rows(count: int) -> Rows:
        value = random.exponential(size=count) + 0.05
        return Rows(
            num=random.normal(size=(count, 1)).astype(np.float32), cat=np.empty((count, 0), np.int64), target=value
        )

    return task(classes=0, metric=metric, train=rows(4_000), validation=rows(1_000))


@pytest.mark.parametrize("algorithm", FAMILIES)
@pytest.mark.parametrize(
    ("metric", "expected"),
    [("rmse", 1.05), ("r2", 1.05), ("mae", 0.74), ("median_absolute_error", 0.74), ("pinball", 0.74), ("mape", 0.3)],
)
def test_the_training_loss_follows_the_metric(algorithm: str, metric: str, expected: float) -> None:
    """The mean minimizes squared errors, the median absolute errors, and a smaller value relative errors."""
    smooth: dict[str, Any] = {
        "random_forest": {"min_samples_leaf": 200, "n_estimators": 20},
        "extra_trees": {"min_samples_leaf": 200, "n_estimators": 20},
        "gradient_boosting": {"min_child_samples": 200},
    }
    trained = ALGORITHMS[algorithm]
    training_task = _exponential(metric)
    fitted = trained.train(
        trained.configure({**QUICK[algorithm], **smooth.get(algorithm, {})}), training_task, RunContext()
    )
    assert np.mean(fitted.predict(training_task.validation)) == pytest.approx(expected, abs=0.17)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("kind", ["identity", "log", "log_link"])
def test_the_graph_and_the_inverse_agree_and_undo_the_transform(kind: Kind, outputs: int) -> None:
    values = np.random.default_rng(0).lognormal(3, 1, 200)
    values[0] = 0.0
    transform = TargetTransform.of(
        values, kind=kind, objective="squared_error", offset=2.0 if kind == "log" else 0.0, minimum=0.0
    )
    np.testing.assert_allclose(transform.denormalize_targets(transform.forward(values)), values, atol=1e-6)
    transform = replace(transform, factor=1.5 if kind == "log" else 1.0)
    predicted = np.random.default_rng(1).normal(0, 4, (50, outputs)).astype(np.float32)
    session = onnxruntime.InferenceSession(transform.graph(outputs).SerializeToString())
    (served,) = session.run(None, {"scaled": predicted})
    np.testing.assert_allclose(served, transform.inverse(predicted), rtol=1e-5, atol=1e-3)
    assert served.min() >= 0
    if kind == "log":
        assert transform.inverse(predicted[:, :1])[5] == pytest.approx(transform.inverse(predicted)[5, :1])


def test_a_predicted_logarithm_stays_near_the_range_of_the_training_rows() -> None:
    values = np.array([1.0, 10.0, 100.0])
    transform = TargetTransform.of(values, kind="log", objective="squared_error")
    margin = np.exp(transform.scale)
    assert transform.inverse(np.array([-1e9, 1e9])) == pytest.approx([1 / margin, 100 * margin])


@pytest.mark.parametrize(
    ("values", "metric", "kinds"),
    [
        ("normal", "rmse", ["identity"]),
        ("lognormal", "rmse", ["identity", "log", "poisson"]),
        ("lognormal", "mae", ["identity", "log"]),
        ("lognormal", "mape", ["identity", "log"]),
        ("lognormal", "rmsle", ["log"]),
        ("negative", "rmse", ["identity"]),
        ("counts", "rmse", ["identity", "poisson"]),
        ("amounts", "r2", ["identity", "log", "poisson", "tweedie"]),
    ],
)
def test_the_compared_transforms_are_those_that_the_values_allow(values: str, metric: str, kinds: list[str]) -> None:
    random = np.random.default_rng(0)
    drawn = {
        "normal": random.normal(100, 1, 400),
        "lognormal": random.lognormal(0, 1, 400),
        "negative": random.lognormal(0, 1, 400) - 1,
        "counts": random.poisson(9, 400).astype(float),
        "amounts": random.lognormal(0, 1, 400) * (random.random(400) < 0.6),
    }[values]
    links: tuple[Objective, ...] = ("poisson", "tweedie")
    transforms = target_transforms(drawn, drawn, metric=metric, log_links=links)
    assert [
        transform.objective if transform.kind == "log_link" else transform.kind for transform in transforms
    ] == kinds
    assert (transforms[0].minimum is None) == (drawn.min() < 0)


@pytest.mark.parametrize("algorithm", ["linear", "kernel_ridge", "gradient_boosting"])
@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_skewed_prices_are_learned_as_logarithms_if_that_is_better(algorithm: str, metric: str, train: TrainIt) -> None:
    prices = _prices()
    run = train(algorithm, prices, metric=metric)
    assert run.difference() < run.trained.tolerance
    if algorithm == "linear":
        assert _note(run).startswith("it learns the target's logarithm: ")
    plain = train(algorithm, prices, metric="r2" if metric == "rmse" else "d2_absolute_error")
    assert run.trained.quality[metric] <= plain.trained.quality[metric] * 1.03
    if metric == "rmse":
        truth = prices.validation["target"].to_numpy()
        assert run.served(prices.validation).values.mean() == pytest.approx(truth.mean(), rel=0.2)


def test_smearing_corrects_the_mean_of_predicted_logarithms(train: TrainIt) -> None:
    """exp of the mean logarithm is the median, here 27 % below the mean."""
    prices = _prices(3_000)
    run = train("linear", prices, metric="rmse")
    assert _note(run).startswith("it learns the target's logarithm")
    ratio = run.served(prices.splits["train"]).values.mean() / prices.splits["train"]["target"].mean()
    assert ratio == pytest.approx(1, abs=0.08)


def test_training_for_rmsle_gives_a_smaller_rmsle_than_training_for_rmse(train: TrainIt) -> None:
    prices = _prices(zeros=0.1)
    for algorithm in ("linear", "gradient_boosting"):
        by_rmsle = train(algorithm, prices, metric="rmsle").trained.quality["rmsle"]
        assert by_rmsle < train(algorithm, prices, metric="rmse").trained.quality["rmsle"]


@pytest.mark.parametrize("algorithm", ["gradient_boosting", "mlp", "linear"])
def test_a_poisson_regression_is_compared_for_counts(algorithm: str, train: TrainIt) -> None:
    counts = _counts()
    run = train(algorithm, counts, metric="rmse")
    note = _note(run)
    if algorithm != "linear":
        assert "Poisson regression of the target" in note, "Poisson regression was compared"
    assert run.difference() < run.trained.tolerance
    assert run.served(counts.validation).values.min() >= 0
    assert run.trained.quality["r2"] > 0.4


@pytest.mark.parametrize("algorithm", ["linear", "kernel_ridge", "random_forest", "gradient_boosting", *NETWORKS])
def test_a_target_without_negative_values_is_never_predicted_negative(algorithm: str, train: TrainIt) -> None:
    random = np.random.default_rng(0)
    size = random.uniform(-1, 1, 300)
    table = _split({"size": size}, np.maximum(0, 5 * size + 0.1 * random.normal(size=300)))
    run = train(algorithm, table, metric="rmse")
    far = pl.DataFrame({"size": pl.Series([-1e6, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0], dtype=pl.Float32)})
    assert run.served(far).values.min() >= 0
    assert run.trained.quality["r2"] > 0.7
    assert run.difference() < run.trained.tolerance


def test_a_target_with_negative_values_may_be_predicted_negative(train: TrainIt) -> None:
    size = np.random.default_rng(0).uniform(-1, 1, 300)
    run = train("linear", _split({"size": size}, 5 * size), metric="rmse")
    assert run.served(run.table.validation).values.min() < -4


def test_a_distilled_model_never_predicts_below_the_minimum() -> None:
    random = np.random.default_rng(0)
    rows = Rows(
        num=random.uniform(-1, 1, (300, 1)).astype(np.float32), cat=np.empty((300, 0), np.int64), target=np.zeros(300)
    )
    training_task = task(classes=0, train=rows, validation=rows, minimum=0.0)
    student = distill(
        ALGORITHMS["linear"],
        LinearConfig(),
        training_task,
        RunContext(),
        lambda taught: np.maximum(0, 5 * taught.num[:, 0].astype(float)),
    )
    assert student.predict(rows).min() == 0
    session = onnxruntime.InferenceSession(student.body().SerializeToString())
    (served,) = session.run(None, {"num": rows.num})
    assert served.min() == 0
    np.testing.assert_allclose(served[:, 0], student.predict(rows), atol=1e-5)


def _algorithm(errors: dict[str, float]) -> Algorithm:
    """Make an algorithm with the given error for each objective and for logarithms."""

    def train(config: LinearConfig, training_task: TrainingTask, context: RunContext) -> FittedModel:
        values, target = training_task.train.num[:, 0].astype(float), training_task.train.target
        is_log = abs(np.corrcoef(np.log(values), target)[0, 1]) > abs(np.corrcoef(values, target)[0, 1])
        known = np.log(values) if is_log else values
        slope, start = np.polyfit(known, target, 1)

        def predict(rows: Rows) -> npt.NDArray[np.floating]:
            value = rows.num[:, 0].astype(float)
            noise = np.random.default_rng(len(rows)).normal(size=len(rows))
            if training_task.loss == "poisson":
                return np.log(value / values.mean()) + errors["poisson"] * noise
            learned = (np.log(value) if is_log else value) * slope + start
            return learned + errors["log" if is_log else "squared_error"] * noise

        return FittedModel(predict=predict, body=lambda: None)  # type: ignore[arg-type, return-value]  # not exported

    return replace(ALGORITHMS["linear"], train=train)


def _select(errors: dict[str, float], **observed: Any) -> tuple[TargetTransform, str]:
    values = np.random.default_rng(0).lognormal(3, 1, 400)
    transforms = target_transforms(values, values, metric="rmse", log_links=("poisson",))
    rows = Rows(num=values[:, None].astype(np.float32), cat=np.empty((400, 0), np.int64), target=values)
    training_task = task(classes=0, metric="rmse", train=transforms[0].apply(rows, values))
    context = RunContext(**observed)

    def rmse(predicted: Any, truth: Any, weight: Any) -> float:
        return float(np.sqrt(np.average((predicted - truth) ** 2, weights=weight)))

    return select_target_transform(_algorithm(errors), {}, training_task, context, transforms, rmse)


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ({"squared_error": 0.5, "log": 0.01, "poisson": 0.4}, "log"),
        ({"squared_error": 0.5, "log": 0.9, "poisson": 0.01}, "log_link"),
        ({"squared_error": 0.01, "log": 0.9, "poisson": 0.9}, "identity"),
    ],
)
def test_the_transform_with_the_smallest_held_out_error_is_selected(errors: dict[str, float], kind: str) -> None:
    transform, note = _select(errors)
    assert transform.kind == kind
    assert note.startswith(f"it learns {transform.description}: rmse on 400 held-out rows is ")


def test_the_target_is_not_transformed_without_time_for_a_comparison() -> None:
    transform, note = _select({"squared_error": 0.5, "log": 0.01, "poisson": 0.4}, deadline=0.0)
    assert (transform.kind, note) == ("identity", "")
