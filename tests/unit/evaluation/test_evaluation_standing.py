from __future__ import annotations

import pytest

from pipeline.evaluation.standing import compared_by, shown, standing

BETTER_SURE = {"accuracy": 0.90, "log_loss": 0.20, "auc": 0.95}
MORE_RIGHT = {"accuracy": 0.91, "log_loss": 0.40, "auc": 0.90}


def test_it_is_the_metric_the_greater_the_better() -> None:
    assert standing(MORE_RIGHT, "accuracy") > standing(BETTER_SURE, "accuracy")
    assert standing(BETTER_SURE, "log_loss") > standing(MORE_RIGHT, "log_loss")
    assert standing({"rmse": 1.0}, "rmse") > standing({"rmse": 2.0}, "rmse")


def test_of_few_rows_log_loss_counts_where_accuracy_hardly_differs() -> None:
    assert standing(BETTER_SURE, "accuracy", by_folds=True) > standing(MORE_RIGHT, "accuracy", by_folds=True)
    far = {**BETTER_SURE, "accuracy": 0.85}
    assert standing(far, "accuracy", by_folds=True) < standing(MORE_RIGHT, "accuracy", by_folds=True)


@pytest.mark.parametrize("metric", ["auc", "log_loss"])
def test_another_metric_is_itself_however_few_the_rows_are(metric: str) -> None:
    assert standing(MORE_RIGHT, metric, by_folds=True) == standing(MORE_RIGHT, metric)


def test_what_counted_is_shown() -> None:
    assert shown(BETTER_SURE, "accuracy") == "0.9"
    assert shown(BETTER_SURE, "accuracy", by_folds=True) == "0.9, log loss 0.2"


def test_what_is_compared_is_named() -> None:
    assert compared_by("accuracy") == "accuracy"
    assert compared_by("auc", by_folds=True) == "auc"
    assert compared_by("accuracy", by_folds=True) == "accuracy − 0.2 × log loss"
    fifth = BETTER_SURE["accuracy"] - BETTER_SURE["log_loss"] / 5
    assert standing(BETTER_SURE, "accuracy", by_folds=True) == pytest.approx(fifth)
