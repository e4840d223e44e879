"""Findings of the card beyond the metrics, each on rows that are made to have it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.records.evaluation_report import Drift
from pipeline.contracts.records.variant import Selection
from pipeline.contracts.signature import Column, Signature
from pipeline.evaluation.card.calibration import calibration, coverage
from pipeline.evaluation.card.card_warnings import find_warnings, shared_rows
from pipeline.evaluation.card.confusion import confusion
from pipeline.evaluation.card.drift import drift, population_stability_index
from pipeline.evaluation.card.importance import importance
from pipeline.evaluation.card.leakage import find_leaky_columns
from pipeline.evaluation.card.segments import choose_columns, segments
from pipeline.evaluation.clusters import summarize_clusters
from pipeline.evaluation.holdout import HoldoutEvaluation
from pipeline.evaluation.predictions import Predictions
from tests.fakes.records import selection

ROWS = 800


class ByAge:
    """A fake served file that reads only ``age`` and is wrong about Oslo."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature

    def run(self, rows: dict[str, Any]) -> Predictions:
        old = (rows["age"] > 50) ^ (rows["city"] == "Oslo")
        return Predictions.of(self.signature, np.stack([np.where(old, 0.2, 0.9), np.where(old, 0.8, 0.1)], axis=1))


class AlwaysYoung:
    """A fake served file that predicts one class for all rows."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature

    def run(self, rows: dict[str, Any]) -> Predictions:
        return Predictions.of(self.signature, np.tile([0.9, 0.1], (len(rows["age"]), 1)))


def people(rows: int = ROWS, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    age = random.uniform(20, 80, rows)
    return pl.DataFrame(
        {
            "age": pl.Series(age, dtype=pl.Float32),
            "noise": pl.Series(random.normal(size=rows), dtype=pl.Float32),
            "city": random.choice(["Rome", "Oslo", "Lima"], rows, p=[0.6, 0.2, 0.2]),
            "alive": np.where(age > 50, "no", "yes"),
            "target": np.where(age > 50, "old", "young"),
        }
    )


def dataset(frame: pl.DataFrame, **changes: Any) -> Dataset:
    columns = tuple(
        ColumnProfile(name=name, kind="categorical" if kind == pl.String else "numeric", missing=0, distinct=9)
        for name, kind in frame.schema.items()
        if name != "target"
    )
    young = int((frame["target"] == "young").sum())
    plain = Dataset(
        task="classification",
        target="target",
        columns=columns,
        classes=("old", "young"),
        class_rows=(frame.height - young, young),
        rows=SplitRows(train=frame.height, validation=9, test=9),
        sha256="0" * 64,
    )
    return plain.model_copy(update=changes)


@pytest.fixture(scope="module")
def exam() -> HoldoutEvaluation:
    test = people()
    signature = Signature(
        task="classification",
        target="target",
        columns=(
            Column(name="age", kind="numeric"),
            Column(name="noise", kind="numeric"),
            Column(name="city", kind="categorical"),
        ),
        classes=("young", "old"),
    )
    return HoldoutEvaluation(
        signature=signature,
        metric="accuracy",
        served=ByAge(signature),  # type: ignore[arg-type]
        test=test,
    )


def test_a_cluster_is_described_by_its_size_and_center() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, 30.0], "city": ["Oslo", "Oslo", None]})
    columns = (Column(name="x", kind="numeric"), Column(name="city", kind="categorical"))
    signature = Signature(task="clustering", target="", columns=columns, classes=("0", "1", "2"))
    labels = np.array(["0", "0", "1"], object)
    result = summarize_clusters(frame, signature, labels, max_columns=2)
    assert [(item.name, item.rows, item.middle) for item in result] == [
        ("0", 2, {"x": 1.5, "city": "Oslo"}),
        ("1", 1, {"x": 30.0}),
        ("2", 0, {}),
    ]
    assert summarize_clusters(frame, signature, labels, max_columns=1)[0].middle == {"x": 1.5}


def test_a_confusion_matrix_counts_every_row_once(exam: HoldoutEvaluation) -> None:
    matrix = confusion(exam.signature, exam.truth, exam.predictions)
    assert (matrix.classes, matrix.others) == (("young", "old"), False)
    assert sum(map(sum, matrix.counts)) == ROWS
    right = matrix.counts[0][0] + matrix.counts[1][1]
    assert right / ROWS == pytest.approx(exam.quality["accuracy"])


def test_the_confusion_matrix_merges_the_rarest_of_many_classes() -> None:
    classes = tuple(f"c{n:02d}" for n in range(30))
    labels = np.array([name for n, name in enumerate(classes) for _ in range(30 - n)], object)
    signature = Signature(task="classification", target="t", columns=(), classes=classes)
    predictions = Predictions(labels=labels, probabilities=np.empty((0, 0)), values=np.empty(0))
    matrix = confusion(signature, labels, predictions)
    assert (matrix.classes, matrix.others) == (classes[:20], True)
    assert matrix.counts[20][20] == sum(range(1, 11))


def test_calibration_measures_the_gap_between_confidence_and_accuracy() -> None:
    random = np.random.default_rng(0)
    signature = Signature(task="classification", target="t", columns=(), classes=("a", "b"))
    sure = random.uniform(0.5, 1, 4000)
    truth_of = np.where(random.random(4000) < sure, "a", "b").astype(object)
    honest = calibration(signature, truth_of, Predictions.of(signature, np.stack([sure, 1 - sure], axis=1)))
    assert honest.error < 0.03
    assert sum(item.rows for item in honest.bins) == 4000
    assert honest.brier == pytest.approx(np.mean((sure - (truth_of == "a")) ** 2))
    boaster = Predictions.of(signature, np.stack([np.full(4000, 0.99), np.full(4000, 0.01)], axis=1))
    assert calibration(signature, truth_of, boaster).error == pytest.approx(0.99 - np.mean(truth_of == "a"))


def test_coverage_counts_rows_below_and_between_quantiles() -> None:
    values = np.arange(100.0)
    quantiles = np.stack([np.full(100, 89.5), np.full(100, 9.5)], axis=1)
    result = coverage((0.9, 0.1), values, quantiles)
    assert result.below == ((0.1, 0.1), (0.9, 0.9))
    assert (result.wanted, result.within, result.width) == (pytest.approx(0.8), 0.8, 80)


def test_only_columns_that_the_served_file_reads_are_important(exam: HoldoutEvaluation) -> None:
    importances = importance(exam, seconds=60)
    assert [item.column for item in importances] == ["age", "noise", "city"]
    assert importances[0].drop > 0.2
    assert importances[1].drop == importances[2].drop == 0  # permuting the city leaves as many rows wrong


def test_importance_stops_at_its_time_limit(exam: HoldoutEvaluation) -> None:
    times = iter(range(100))
    assert len(importance(exam, seconds=0.5, now=lambda: float(next(times)))) == 1


def test_a_segment_that_is_worse_is_found(exam: HoldoutEvaluation) -> None:
    columns = choose_columns(dataset(people()), (), importance(exam, seconds=60))
    assert columns == ["age", "noise", "city"]
    found_segments = {(item.column, item.value): item for item in segments(exam, columns)}
    assert {value for column, value in found_segments if column == "city"} == {"Rome", "Oslo", "Lima"}
    assert found_segments["city", "Oslo"].worse
    assert (found_segments["city", "Oslo"].quality, found_segments["city", "Rome"].quality) == (0.0, 1.0)
    assert len([1 for column, _ in found_segments if column == "age"]) == 4
    cautions = list(
        find_warnings(
            exam, dataset(people()), selection=chosen(1.0), drifts=(), segments=tuple(found_segments.values())
        )
    )
    assert any(item.startswith("segment: where 'city' is Oslo, accuracy is 0 ") for item in cautions)
    assert any(item.startswith("accuracy on the validation rows (1) is better than the test rows") for item in cautions)


def test_the_pinball_loss_of_a_segment_uses_the_predicted_quantiles() -> None:
    class Served:
        def run(self, rows: dict[str, Any]) -> Predictions:
            return Predictions(values=np.zeros(ROWS), quantiles=np.tile([-1.0, 2.0], (ROWS, 1)))

    noise = np.random.default_rng(1).normal(size=ROWS)
    test = pl.DataFrame({"city": ["Rome", "Oslo"] * (ROWS // 2), "target": noise})
    signature = Signature(
        task="regression", target="target", columns=(Column(name="city", kind="categorical"),), quantiles=(0.1, 0.9)
    )
    evaluation = HoldoutEvaluation(signature=signature, metric="pinball", served=Served(), test=test)  # type: ignore[arg-type]
    by_city = {segment.value: segment.quality for segment in segments(evaluation, ["city"])}
    assert np.mean(list(by_city.values())) == pytest.approx(evaluation.quality["pinball"])


def test_a_better_cross_validation_quality_is_not_attributed_to_validation_rows() -> None:
    cautions = cautions_of(selection=chosen(1.0, by_folds=True))
    assert any(
        item.startswith("accuracy by cross-validation (1) is better than the test rows allow") for item in cautions
    )
    assert not any("validation rows" in item for item in cautions)


def test_a_numeric_column_of_few_values_has_one_segment_per_value(exam: HoldoutEvaluation) -> None:
    test = exam.test.with_columns(floor=pl.Series(np.arange(ROWS) % 3, dtype=pl.Float32))
    assert [item.value for item in segments(replace(exam, test=test), ["floor"])] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("offset", "step"), [(1_000_000_000.0, 1.0), (6_650_003.4, 0.1), (52.5200066, 1e-7), (2_460_310.25, 0.25)]
)
def test_the_segments_of_a_wide_number_have_different_names(
    exam: HoldoutEvaluation, offset: float, step: float
) -> None:
    several = np.arange(ROWS) % 5
    few = exam.test.with_columns(counter=offset + step * pl.Series(several))
    many = exam.test.with_columns(counter=offset + step * pl.Series(np.arange(ROWS)))
    for test, count in ((few, 5), (many, 4)):
        found_segments = [item.value for item in segments(replace(exam, test=test), ["counter"])]
        assert len(set(found_segments)) == len(found_segments) == count
    assert [float(item.value) for item in segments(replace(exam, test=few), ["counter"])] == pytest.approx(
        [offset + step * n for n in range(5)], abs=step / 2
    )


def test_requested_segments_keep_their_order_and_unknown_columns_are_ignored(exam: HoldoutEvaluation) -> None:
    assert choose_columns(dataset(people()), ("city", "nothing", "age"), ()) == ["city", "age"]


def test_a_feature_that_predicts_the_target_alone_is_reported_as_a_leak() -> None:
    train = people()
    cautions = list(find_leaky_columns(dataset(train), train))
    assert [item.split("'")[1] for item in cautions] == ["age", "alive"]
    assert "column 'alive' alone predicts the target 'target'" in cautions[1]
    honest = train.with_columns(target=pl.Series(np.random.default_rng(1).choice(["old", "young"], ROWS)))
    assert list(find_leaky_columns(dataset(honest), honest)) == []


def test_an_identifier_of_each_row_is_not_reported_as_a_leak() -> None:
    train = people(400).with_columns(alive=pl.Series([f"id {n}" for n in range(400)])).drop("age")
    assert list(find_leaky_columns(dataset(train), train)) == []


@pytest.mark.parametrize(("spread", "leak"), [(0.01, True), (1.0, False)])
def test_a_number_that_determines_the_target_is_reported_as_a_leak(spread: float, leak: bool) -> None:
    random = np.random.default_rng(0)
    price = random.normal(size=4000)
    cents = pl.Series(100 * price + random.normal(0, 100 * spread, 4000), dtype=pl.Float32)
    train = pl.DataFrame({"cents": cents, "target": price})
    of = dataset(people(), task="regression", classes=(), class_rows=(), columns=(_numeric("cents"),))
    assert bool(list(find_leaky_columns(of, train))) == leak


def test_a_shift_is_reported_as_drift_and_samples_of_one_distribution_are_not() -> None:
    train = people(4000)
    for seed in range(1, 20):
        assert drift(dataset(train), train, {"test": people(60, seed), "validation": people(400, seed)}) == ()
    older = people(400, 1).with_columns(age=pl.col("age") + 15)
    assert [(item.column, item.split) for item in drift(dataset(train), train, {"test": older})] == [("age", "test")]
    moved = people(400, 1).with_columns(city=pl.lit("Bern"))
    (shift,) = drift(dataset(train), train, {"test": moved})
    assert shift.column == "city"
    cautions = cautions_of(drifts=(shift,))
    assert any("column 'city' differs in distribution in the test rows" in item for item in cautions)


def test_missing_values_have_a_separate_bin() -> None:
    known = pl.Series("x", np.arange(1000.0))
    half = known.set(pl.Series(np.arange(1000) % 2 == 0), None)
    index, noise = population_stability_index(known, half)
    assert index > 1 > noise


def test_rows_in_both_training_and_test_are_reported() -> None:
    train = people(100)
    assert list(shared_rows(train, {"test": people(50, 1)})) == []
    mixed = pl.concat([people(48, 1), train.head(2)])
    (cautions,) = shared_rows(train, {"test": mixed})
    assert cautions.startswith("duplicates: 2 of 50 test rows repeat training rows")


def chosen(quality: float, *, by_folds: bool = False) -> Selection:
    winner = selection().winner.model_copy(update={"quality": {"accuracy": quality}})
    return selection().model_copy(update={"winner": winner, "by_folds": by_folds})


def cautions_of(**changes: Any) -> list[str]:
    test = people(30)
    signature = dataset(test).signature_of(("young", "old"))
    few = HoldoutEvaluation(
        signature=signature,
        metric="accuracy",
        served=AlwaysYoung(signature),  # type: ignore[arg-type]
        test=test,
    )
    of = changes.pop("of", dataset(test))
    return list(find_warnings(few, of, **{"selection": chosen(0), "drifts": (), "segments": (), **changes}))


def test_few_test_rows_and_a_rare_class_are_reported() -> None:
    rare = dataset(people(), class_rows=(12, 9988))
    cautions = cautions_of(of=rare)
    assert cautions[0].startswith("too few rows: accuracy is uncertain: ")
    assert cautions[1].startswith("imbalance: class 'old' has 12 of 10,000 training rows (0.1%)")


def test_a_drift_of_the_target_is_reported_as_such() -> None:
    cautions = cautions_of(drifts=(Drift(column="target", split="validation", index=0.5),))
    assert any(item.startswith("drift: the target differs in distribution in the validation rows") for item in cautions)


def _numeric(name: str) -> ColumnProfile:
    return ColumnProfile(name=name, kind="numeric", missing=0, distinct=9)
