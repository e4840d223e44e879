from __future__ import annotations

import pytest

from pipeline.evaluation.ranking import ranking_score, score_label, shown

BETTER_SURE = {"accuracy": 0.90, "log_loss": 0.20, "auc": 0.95}
MORE_RIGHT = {"accuracy": 0.91, "log_loss": 0.40, "auc": 0.90}


def test_it_is_the_metric_the_greater_the_better() -> None:
    assert ranking_score(MORE_RIGHT, "accuracy") > ranking_score(BETTER_SURE, "accuracy")
    assert ranking_score(BETTER_SURE, "log_loss") > ranking_score(MORE_RIGHT, "log_loss")
    assert ranking_score({"rmse": 1.0}, "rmse") > ranking_score({"rmse": 2.0}, "rmse")


def test_of_few_rows_log_loss_counts_where_accuracy_hardly_differs() -> None:
    assert ranking_score(BETTER_SURE, "accuracy", by_folds=True) > ranking_score(MORE_RIGHT, "accuracy", by_folds=True)
    far = {**BETTER_SURE, "accuracy": 0.85}
    assert ranking_score(far, "accuracy", by_folds=True) < ranking_score(MORE_RIGHT, "accuracy", by_folds=True)


@pytest.mark.parametrize("metric", ["auc", "log_loss"])
def test_another_metric_is_itself_however_few_the_rows_are(metric: str) -> None:
    assert ranking_score(MORE_RIGHT, metric, by_folds=True) == ranking_score(MORE_RIGHT, metric)


def test_what_counted_is_shown() -> None:
    assert shown(BETTER_SURE, "accuracy") == "0.9"
    assert shown(BETTER_SURE, "accuracy", by_folds=True) == "0.9, log loss 0.2"


def test_what_is_compared_is_named() -> None:
    assert score_label("accuracy") == "accuracy"
    assert score_label("auc", by_folds=True) == "auc"
    assert score_label("accuracy", by_folds=True) == "accuracy − 0.2 × log loss"
    fifth = BETTER_SURE["accuracy"] - BETTER_SURE["log_loss"] / 5
    assert ranking_score(BETTER_SURE, "accuracy", by_folds=True) == pytest.approx(fifth)
