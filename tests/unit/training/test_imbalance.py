"""Imbalanced classes end to end: the selected model ranks like the best model and predicts some positives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.evaluation.scoring import feeds
from tests.fakes.choosing import Choice, choose
from tests.fakes.tabular import Table, profiled

CANDIDATES = ["linear", "random_forest", "gradient_boosting"]


def _rows(rows: int, seed: int, *, threshold: float) -> pl.DataFrame:
    """Make rows whose class depends on products and squares of columns, with noise, and not on sums of columns."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 6))
    signal = (
        1.6 * np.abs(x[:, 0] * x[:, 1]) + 1.4 * x[:, 2] ** 2 + 1.2 * np.sin(2 * x[:, 3]) + random.normal(0, 2.0, rows)
    )
    columns = {f"x{number}": pl.Series(x[:, number], dtype=pl.Float32) for number in range(6)}
    return pl.DataFrame({**columns, "target": np.where(signal > threshold, "fraud", "ok")})


@pytest.fixture(scope="module")
def rare() -> tuple[Table, pl.DataFrame]:
    """6,000 rows of which 1.5 % are positive, and 20,000 new rows."""
    learn = _rows(6_000, 0, threshold=10.8)
    return profiled({"train": learn[:5_400], "validation": learn[5_400:]}, "classification"), _rows(
        20_000, 1, threshold=10.8
    )


@pytest.fixture(scope="module")
def choice(rare: tuple[Table, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Choice:
    return choose(rare[0], CANDIDATES, JobSpec(), tmp_path_factory.mktemp("rare"))


def _auc(choice: Choice, algorithm: str) -> float:
    (trained,) = (trained for trained in choice.trained if trained.candidate == algorithm)
    return trained.quality["auc"]


def test_with_rare_positives_the_selected_model_ranks_well_and_predicts_some_positives(
    rare: tuple[Table, pl.DataFrame], choice: Choice
) -> None:
    table, test = rare
    fraction = (table.splits["train"]["target"] == "fraud").mean()
    assert 0.012 < fraction < 0.018
    assert choice.selection.metric == "average_precision"
    assert choice.selection.winner.candidate != "linear"
    predictions = choice.served.run(feeds(test, table.dataset.signature))
    positive = (test["target"] == "fraud").to_numpy()
    scores = predictions.probabilities[:, table.dataset.classes.index("fraud")]
    auc = metrics.roc_auc_score(positive, scores)
    assert auc > _auc(choice, "gradient_boosting") - 0.02
    assert auc > 0.9
    labeled = predictions.labels == "fraud"
    assert 0.3 * positive.sum() < labeled.sum() < 3 * positive.sum()
    by_threshold, by_half = (metrics.f1_score(positive, labels) for labels in (labeled, scores >= 0.5))
    assert by_threshold > 0.4
    assert by_threshold > by_half - 0.02


def test_the_served_labels_follow_the_threshold_of_the_record(rare: tuple[Table, pl.DataFrame], choice: Choice) -> None:
    table, test = rare
    winner = choice.selection.winner
    threshold = winner.decision.threshold
    assert threshold is not None
    assert winner.decision_fit is not None
    assert winner.decision_fit.threshold_metric == "f1"
    predictions = choice.served.run(feeds(test, table.dataset.signature))
    scores = predictions.probabilities[:, table.dataset.classes.index("fraud")]
    assert (predictions.labels == "fraud").tolist() == (scores >= np.float32(threshold)).tolist()


def test_a_model_is_trained_and_selected_with_three_positive_rows_of_four_hundred(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    positive = np.zeros(400, bool)
    positive[[40, 150, 390]] = True
    first = np.where(positive, 4.0, random.normal(size=400))
    frame = pl.DataFrame(
        {
            "first": pl.Series(first, dtype=pl.Float32),
            "second": pl.Series(random.normal(size=400), dtype=pl.Float32),
            "target": np.where(positive, "yes", "no"),
        }
    )
    table = profiled({"train": frame[:360], "validation": frame[360:]}, "classification")
    chosen = choose(table, ["linear", "random_forest"], JobSpec(), tmp_path)
    assert chosen.selection.metric == "average_precision"
    predictions = chosen.served.run(feeds(frame, table.dataset.signature))
    assert set(predictions.labels[positive]) == {"yes"}
    assert (predictions.labels[~positive] == "yes").sum() < 20


def test_a_threshold_of_one_half_labels_the_most_probable_class_and_others_are_recorded(
    rare: tuple[Table, pl.DataFrame], tmp_path: Path
) -> None:
    table, test = rare
    for threshold, wanted in ((0.5, None), (0.01, 0.01)):
        chosen = choose(table, ["linear"], JobSpec(threshold=threshold), tmp_path / str(threshold))
        assert chosen.selection.winner.decision.threshold == wanted
        predictions = chosen.served.run(feeds(test, table.dataset.signature))
        scores = predictions.probabilities[:, table.dataset.classes.index("fraud")]
        assert (predictions.labels == "fraud").tolist() == (scores >= np.float32(threshold)).tolist()
