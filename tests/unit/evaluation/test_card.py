"""The evaluation of the winner on the test rows: model card and golden rows."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper
from sklearn.metrics import log_loss, precision_recall_fscore_support

from pipeline.contracts.errors import IntegrityError
from pipeline.contracts.records.dataset import ColumnProfile, Dataset, Dropped, SplitRows
from pipeline.contracts.records.decision import Decision
from pipeline.contracts.records.evaluation_report import JobCost
from pipeline.contracts.records.model_version import GoldenPredictions, ModelCard
from pipeline.contracts.records.variant import Artifact, LeaderboardRow, Precision, Selection, Variant
from pipeline.evaluation.card.card import MAX_LISTED, EvaluationContext, evaluate
from pipeline.evaluation.golden.golden_rows import MAX_GOLDEN_BYTES
from pipeline.evaluation.scoring import OnnxModel, feeds
from pipeline.graphs.served_graph import wrap
from tests.helpers.trained_networks import Trained, trained

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def selection(model: bytes, *, metric: str = "accuracy", precision: Precision = "fp32") -> Selection:
    winner = Variant(
        candidate="mlp",
        algorithm="mlp",
        precision=precision,
        status="ok",
        artifact=Artifact(key="k", sha256=hashlib.sha256(model).hexdigest(), bytes=len(model)),
        quality={metric: 0.75},
        latency_us=20.0,
        train_seconds=1.5,
    )
    absent = Variant(
        candidate="trees", algorithm="random_forest", precision="int8", status="not_applicable", reason="r"
    )
    rows = (
        LeaderboardRow(rank=1, variant=winner, on_front=True, winner=True),
        LeaderboardRow(rank=None, variant=absent),
    )
    return Selection(metric=metric, winner=winner, leaderboard=rows, reason="the best")


BACKGROUND = EvaluationContext(
    jobs=(
        JobCost(job="cpu", device="cpu", seconds=36, dollars=0.002),
        JobCost(job="gpu", device="cpu, in place of a GPU", seconds=1.5),
    ),
    warnings=["a candidate was lost"],
)


def evaluated(
    dataset: Dataset,
    model: bytes,
    test: pl.DataFrame,
    chosen: Selection | None = None,
    background: EvaluationContext = BACKGROUND,
) -> tuple[ModelCard, GoldenPredictions]:
    return evaluate(
        chosen or selection(model),
        run="demo_wine_0123456789ab",
        model="wine",
        dataset=dataset,
        stored=model,
        test=test,
        background=background,
        now=NOW,
    )


@pytest.fixture(scope="module")
def wine() -> Trained:
    return trained("wine")


def test_the_card_has_the_metrics_of_the_served_file_on_the_test_rows(wine: Trained) -> None:
    card, _ = evaluated(wine.dataset, wine.model, wine.validation)
    right = [a == b for a, b in zip(wine.answers.labels, wine.validation["target"], strict=True)]
    assert card.test_quality["accuracy"] == pytest.approx(sum(right) / len(right))
    assert card.test_quality.keys() == card.test_interval.keys()
    assert card.test_quality.keys() == {"accuracy", "balanced_accuracy", "f1_macro", "f1_weighted"} | {
        "auc", "average_precision", "log_loss", "mcc",
    }  # fmt: skip
    wanted = precision_recall_fscore_support(wine.validation["target"], wine.answers.labels)
    measured = [
        (class_metrics.precision, class_metrics.recall, class_metrics.f1, class_metrics.rows)
        for class_metrics in card.by_class
    ]
    assert np.array(measured) == pytest.approx(np.stack(wanted, axis=1))
    assert card.positive_class == ""
    assert card.test_rows == wine.validation.height
    for metric, (low, high) in card.test_interval.items():
        assert low <= card.test_quality[metric] <= high


def test_the_card_has_tenant_model_run_warnings_and_leaderboard(wine: Trained) -> None:
    dataset = wine.dataset.model_copy(
        update={"left_out": (Dropped(name="born", reason="date"),), "warnings": ("12 rows were set aside",)}
    )
    card, _ = evaluated(dataset, wine.model, wine.validation)
    assert (card.tenant, card.model, card.run) == ("demo", "wine", "demo_wine_0123456789ab")
    assert card.left_out == ({"name": "born", "reason": "date"},)
    assert card.warnings[:2] == ("12 rows were set aside", "a candidate was lost")
    assert card.dollars == 0.002
    assert card.devices["gpu"] == "cpu, in place of a GPU"
    assert card.validation_quality == {"accuracy": 0.75}
    assert [(row.rank, row.candidate, row.status, row.winner) for row in card.leaderboard] == [
        (1, "mlp", "ok", True),
        (None, "trees", "not_applicable", False),
    ]
    assert card.leaderboard[0].bytes == len(wine.model)
    assert ModelCard.from_bytes(card.to_bytes()) == card


def test_the_card_records_a_selection_by_cross_validation(wine: Trained) -> None:
    by_cross_validation = selection(wine.model).model_copy(update={"by_folds": True})
    assert evaluated(wine.dataset, wine.model, wine.validation, by_cross_validation)[0].by_folds
    assert not evaluated(wine.dataset, wine.model, wine.validation)[0].by_folds


def test_the_same_rows_give_the_same_intervals(wine: Trained) -> None:
    first, second = (evaluated(wine.dataset, wine.model, wine.validation)[0] for _ in range(2))
    assert first == second


def test_a_file_that_was_not_selected_is_refused(wine: Trained) -> None:
    with pytest.raises(IntegrityError, match=r"mlp \(fp32\) is not the one that was selected"):
        evaluated(wine.dataset, wine.model, wine.validation, selection(b"other bytes"))


def test_golden_rows_are_ten_test_rows_and_edge_rows_with_served_predictions(wine: Trained) -> None:
    _, golden = evaluated(wine.dataset, wine.model, wine.validation)
    assert len(golden.rows) == len(golden.predictions) == 14
    assert list(golden.rows[:10]) == wine.validation.head(10).drop("target").to_dicts()
    assert set(golden.rows[10].values()) == {None}
    assert "target" not in golden.rows[0]
    predictions = OnnxModel(wine.model).run(feeds(pl.DataFrame(golden.rows), wine.dataset.signature))
    assert [prediction["label"] for prediction in golden.predictions] == predictions.labels.tolist()
    assert list(golden.predictions[0]["probabilities"]) == list(wine.dataset.classes)
    assert sum(golden.predictions[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_golden_rows_of_a_regression_have_values() -> None:
    network = trained("diabetes")
    chosen = selection(network.model, metric="rmse")
    card, golden = evaluated(network.dataset, network.model, network.validation, chosen)
    assert card.test_quality.keys() == {"rmse", "mae", "median_absolute_error", "mape", "rmsle", "pinball", "r2"} | {
        "d2_absolute_error"
    }
    values = [prediction["value"] for prediction in golden.predictions]
    np.testing.assert_allclose(values[:10], network.predicted[:10], rtol=1e-4)


def test_a_quantized_file_has_a_larger_tolerance_for_rounding_on_another_cpu(wine: Trained) -> None:
    exact = evaluated(wine.dataset, wine.model, wine.validation)[1]
    quantized = evaluated(wine.dataset, wine.model, wine.validation, selection(wine.model, precision="int8"))[1]
    assert exact.tolerance < quantized.tolerance <= 0.01


MIXED = Dataset(
    task="classification",
    target="y",
    columns=(
        ColumnProfile(name="age", kind="numeric", missing=0, distinct=2),
        ColumnProfile(name="member", kind="boolean", missing=0, distinct=2),
        ColumnProfile(name="city", kind="categorical", missing=0, distinct=2, vocabulary=("rome", "oslo")),
    ),
    classes=("no", "yes"),
    rows=SplitRows(train=1, validation=1, test=1),
    sha256="0" * 64,
)


def mixed_rows(rows: int, gap: int | None) -> pl.DataFrame:
    """Make rows of which only the row ``gap`` has missing values."""
    values: dict[str, list[Any]] = {
        "age": [0.5 + i for i in range(rows)],
        "member": [float(i % 2) for i in range(rows)],
        "city": ["rome" if i % 2 else "paris" for i in range(rows)],
        "y": ["yes" if i % 3 else "no" for i in range(rows)],
    }
    for name in ("age", "member", "city"):
        if gap is not None:
            values[name][gap] = None
    kinds = {"age": pl.Float32, "member": pl.Float32, "city": pl.String, "y": pl.String}
    return pl.DataFrame(values, schema=kinds)


def mixed_model(dataset: Dataset = MIXED) -> bytes:
    """Make a model whose probabilities depend on missing values and categories."""
    nodes = [
        helper.make_node("IsNaN", ["num"], ["gaps"]),
        helper.make_node("Cast", ["gaps"], ["as_number"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["cat"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["as_number", "ids"], ["sum"]),
        helper.make_node("Softmax", ["sum"], ["answer"]),
    ]
    inputs = [
        helper.make_tensor_value_info("num", TensorProto.FLOAT, ["batch", 2]),
        helper.make_tensor_value_info("cat", TensorProto.INT64, ["batch", 1]),
    ]
    graph_output = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", 2])
    graph = helper.make_graph(nodes, "body", inputs, [graph_output])
    body: onnx.ModelProto = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    content: bytes = wrap(body, dataset, dataset.signature).SerializeToString()
    return content


def test_golden_rows_are_raw_json_values() -> None:
    _, golden = evaluated(MIXED, mixed_model(), mixed_rows(3, gap=None))
    assert golden.rows[0] == {"age": 0.5, "member": False, "city": "paris"}
    assert golden.rows[1] == {"age": 1.5, "member": True, "city": "rome"}
    assert json.loads(json.dumps(golden.rows)) == list(golden.rows)


def test_golden_rows_keep_the_digits_of_a_wide_number() -> None:
    columns = (MIXED.columns[0].model_copy(update={"is_wide": True, "median": 52.5200066}), *MIXED.columns[1:])
    ages = [52.5200066, 1_000_000_035.0, None]
    rows = mixed_rows(3, gap=None).with_columns(age=pl.Series(ages, dtype=pl.Float64))
    wide = MIXED.model_copy(update={"columns": columns})
    _, golden = evaluated(wide, mixed_model(wide), rows)
    assert [row["age"] for row in json.loads(golden.to_bytes())["rows"]][:3] == ages


@pytest.mark.parametrize(("gap", "at"), [(3, 3), (25, 9)])
def test_one_golden_row_has_missing_values_if_a_test_row_has_them(gap: int, at: int) -> None:
    _, golden = evaluated(MIXED, mixed_model(), mixed_rows(40, gap=gap))
    assert [index for index, row in enumerate(golden.rows[:10]) if None in row.values()] == [at]
    assert golden.rows[at] == {"age": None, "member": None, "city": None}


def test_golden_rows_fit_in_one_request() -> None:
    cities = [f"{number}".ljust(700_000, "x") for number in range(40)]
    rows = mixed_rows(40, gap=25).with_columns(city=pl.Series(cities))
    _, golden = evaluated(MIXED, mixed_model(), rows)
    sizes = [len(json.dumps(row)) for row in golden.rows]
    assert len(sizes) == len(golden.predictions)
    assert sum(sizes) <= MAX_GOLDEN_BYTES
    assert None in [row["age"] for row in golden.rows]  # edge rows are dropped last
    huge = rows.with_columns(city=pl.col("city").repeat_by(6).list.join(""))
    assert len(evaluated(MIXED, mixed_model(), huge)[1].rows) == 1


def test_the_column_lists_of_a_card_are_bounded() -> None:
    dropped = tuple(Dropped(name=f"c{number}", reason="constant") for number in range(2 * MAX_LISTED))
    wide = MIXED.model_copy(update={"left_out": dropped})
    card, _ = evaluated(wide, mixed_model(), mixed_rows(40, gap=None))
    assert len(card.left_out) == MAX_LISTED
    assert any(f"of {2 * MAX_LISTED:,} columns" in warning for warning in card.warnings)


def test_the_card_has_metrics_with_row_and_class_weights_and_unweighted_metrics(wine: Trained) -> None:
    weight = np.where(np.arange(wine.validation.height) % 3 == 0, 20.0, 1.0)
    rows = wine.validation.with_columns(pl.Series("w", weight, dtype=pl.Float32))
    dataset = wine.dataset.model_copy(update={"weight": "w"})
    truth, labels = wine.validation["target"].to_numpy(), wine.answers.labels
    card, _ = evaluated(dataset, wine.model, rows)
    plain, _ = evaluated(wine.dataset, wine.model, wine.validation)
    assert card.test_quality["log_loss"] == pytest.approx(
        log_loss(truth, wine.answers.probabilities, sample_weight=weight), rel=1e-4
    )
    assert card.unweighted_quality == plain.test_quality
    assert plain.unweighted_quality == {}
    wanted = precision_recall_fscore_support(truth, labels, sample_weight=weight)[:3]
    assert np.array(
        [(class_metrics.precision, class_metrics.recall, class_metrics.f1) for class_metrics in card.by_class]
    ) == pytest.approx(np.stack(wanted, 1))
    assert [class_metrics.rows for class_metrics in card.by_class] == [
        class_metrics.rows for class_metrics in plain.by_class
    ]
    assert card.calibration != plain.calibration

    heavy = EvaluationContext(class_weights={dataset.classes[0]: 1e6})
    card, _ = evaluated(wine.dataset, wine.model, wine.validation, background=heavy)
    is_first = truth == dataset.classes[0]
    assert card.test_quality["accuracy"] == pytest.approx((labels == truth)[is_first].mean(), abs=1e-3)


def test_the_card_records_the_effect_of_temperature_and_threshold() -> None:
    network = trained("breast_cancer")
    decision = Decision(temperature=0.3, threshold=0.05)
    signature = network.dataset.signature_of((), (), decision)
    model = wrap(onnx.load_from_string(network.body), network.dataset, signature).SerializeToString()
    winner = selection(model).winner.model_copy(update={"decision": decision})
    card, _ = evaluated(
        network.dataset, model, network.validation, selection(model).model_copy(update={"winner": winner})
    )
    plain, _ = evaluated(network.dataset, network.model, network.validation)
    assert card.decision is not None
    assert plain.decision is not None
    assert (card.decision.temperature, card.decision.threshold) == (0.3, 0.05)
    assert card.decision.log_loss[0] == pytest.approx(plain.test_quality["log_loss"], abs=1e-4)
    assert card.decision.log_loss[1] == pytest.approx(card.test_quality["log_loss"], abs=1e-6)
    assert card.decision.calibration_error[1] == pytest.approx(card.calibration.error, abs=1e-6)  # type: ignore[union-attr]
    (of_positive,) = (class_metrics for class_metrics in plain.by_class if class_metrics.label == card.positive_class)
    assert card.decision.by_most_probable == of_positive
    assert plain.decision.by_most_probable is None
    assert plain.decision.log_loss[0] == plain.decision.log_loss[1]
