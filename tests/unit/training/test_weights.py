"""Row and class weights count in the comparison of models, not only in training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.spec.job_spec import JobSpec, Training
from pipeline.ensembling.blending import fit_blend
from pipeline.evaluation.row_weights import row_weights
from tests.fakes.choosing import choose
from tests.fakes.tabular import Table, profiled


def _two_regions(heavy: str, rows: int = 2_600) -> Table:
    """In one region the sign of a sum tells the class, noisily; in the other the sign of a product, which is not
    linear. ``heavy``: the region whose rows weigh 50 times those of the other."""
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, rows))
    is_linear = random.random(rows) < 0.5
    signal = np.where(is_linear, first + second + random.normal(0, 1.0, rows), first * second)
    frame = pl.DataFrame(
        {
            "first": pl.Series(first, dtype=pl.Float32),
            "second": pl.Series(second, dtype=pl.Float32),
            "target": np.where(signal > 0, "yes", "no"),
            "weight": pl.Series(np.where(is_linear == (heavy == "linear"), 50.0, 1.0), dtype=pl.Float32),
        }
    )
    plain = profiled({name: frame.drop("weight") for name in ("train", "validation")}, "classification").dataset
    dataset = plain.model_copy(update={"weight": "weight"})
    return Table(dataset=dataset, splits={"train": frame[:2_100], "validation": frame[2_100:]})


@pytest.mark.parametrize(("heavy", "best"), [("linear", "linear"), ("product", "random_forest")])
def test_weights_that_reverse_which_model_is_best_reverse_the_selection(heavy: str, best: str, tmp_path: Path) -> None:
    """Without weights in the metric the forest, which is good in both regions, wins either way."""
    table = _two_regions(heavy)
    chosen = choose(table, ["linear", "random_forest"], JobSpec(), tmp_path)
    assert chosen.selection.winner.candidate == best


def test_the_metric_of_weighted_rows_is_the_weighted_mean(tmp_path: Path) -> None:
    table = _two_regions("product")
    (trained,) = choose(table, ["random_forest"], JobSpec(), tmp_path).trained
    predicted = np.load(tmp_path / "random_forest" / "out_of_fold.npz")["answers"]
    rows = pl.concat([table.splits[name] for name in ("train", "validation")])
    right = predicted.argmax(axis=1) == (rows["target"] == "yes").to_numpy()
    wanted = np.average(right, weights=rows["weight"].to_numpy())
    assert trained.quality["accuracy"] == pytest.approx(wanted)
    assert abs(trained.quality["accuracy"] - right.mean()) > 0.005


def test_balanced_class_weights_make_classes_count_equally_in_the_metrics(tmp_path: Path) -> None:
    plain = _two_regions("linear")
    rare = {
        name: frame.filter((pl.col("target") == "no") | (pl.int_range(pl.len()) % 8 == 0))
        for name, frame in plain.splits.items()
    }
    table = profiled({name: frame.drop("weight") for name, frame in rare.items()}, "classification")
    spec = JobSpec(training=Training(class_weights="balanced"))
    (trained,) = choose(table, ["linear"], spec, tmp_path).trained
    assert trained.quality["accuracy"] == pytest.approx(trained.quality["balanced_accuracy"], abs=0.02)


def _rows() -> tuple[pl.DataFrame, Dataset]:
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "target": ["a", "a", "a", "b"], "w": [1.0, 2.0, 1.0, 1.0]})
    dataset = profiled({"train": frame.drop("w"), "validation": frame.drop("w")}, "classification").dataset
    return frame, dataset


def test_the_weight_of_a_row_is_multiplied_by_the_weight_of_its_class() -> None:
    frame, dataset = _rows()
    assert row_weights(frame, dataset) is None
    weighted = dataset.model_copy(update={"weight": "w"})
    assert row_weights(frame, weighted) == pytest.approx([1, 2, 1, 1])
    assert row_weights(frame, dataset, {"b": 5.0}) == pytest.approx([1, 1, 1, 5])
    balanced = row_weights(frame, weighted, "balanced")
    assert balanced == pytest.approx([2 / 3, 4 / 3, 2 / 3, 2])  # as scikit-learn's compute_class_weight


def test_blend_weights_follow_the_weighted_rows() -> None:
    signature = replace(_rows()[1].signature, classes=("a", "b"))
    truth = np.array(["a", "b"] * 50, object)
    right = np.where(truth == "b", 0.9, 0.1)
    early, late = np.arange(100) < 50, np.arange(100) >= 50
    members = {
        name: np.stack([1 - p, p], axis=1)
        for name, p in (("early", np.where(early, right, 1 - right)), ("late", np.where(late, right, 1 - right)))
    }
    for name, counts in (("early", early), ("late", late)):
        weights = fit_blend(members, truth, signature, "log_loss", weight=np.where(counts, 1.0, 1e-6)).weights
        assert weights == {name: 1.0}
