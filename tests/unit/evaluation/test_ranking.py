"""The score that candidates are ranked by."""

from __future__ import annotations

from pipeline.evaluation.ranking import is_tied, ranking_score

SURE = {"accuracy": 0.90, "log_loss": 0.20, "auc": 0.95}
RIGHT = {"accuracy": 0.91, "log_loss": 0.40, "auc": 0.90}


def test_the_ranking_score_is_greater_for_a_better_metric() -> None:
    assert ranking_score(RIGHT, "accuracy") > ranking_score(SURE, "accuracy")
    assert ranking_score(SURE, "log_loss") > ranking_score(RIGHT, "log_loss")
    assert ranking_score({"rmse": 1.0}, "rmse") > ranking_score({"rmse": 2.0}, "rmse")


def test_a_tenth_of_a_percent_is_a_tie() -> None:
    assert is_tied(0.2002, 0.2)
    assert not is_tied(0.2003, 0.2)
    assert is_tied(-0.2, -0.2)
