"""The estimated time and cost of a run, wherever they are shown."""

from __future__ import annotations

import pytest

from pipeline.cli.views.estimate import describe_estimate, estimate_document
from pipeline.contracts.records.estimate import Estimate
from tests.unit.cli.conftest import Stage

ESTIMATE = Estimate(minutes=2.7, dollars=0.00657)


def test_runs_and_watch_show_the_estimate_once_it_is_recorded(stage: Stage) -> None:
    run = stage.begin()
    assert "estimated" not in stage.run("runs", run).stdout
    assert stage.json("runs", run, "--json")[0]["estimate"] is None
    stage.runs.record_estimate(run, ESTIMATE)
    assert "estimated at 3 minutes and $0.0066 on AWS" in stage.run("runs", run).stdout
    assert stage.json("runs", run, "--json")[0]["estimate"] == {"minutes": 2.7, "dollars": 0.0066}
    stage.runs.succeed(run, 1)
    assert "estimated at 3 minutes and $0.0066 on AWS" in stage.run("watch", run).stderr


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (Estimate(minutes=0.4, dollars=0.5), "1 minute and $0.50 on AWS"),
        (Estimate(minutes=240, dollars=12), "4.0 hours and $12.00 on AWS"),
        (Estimate(minutes=3, dollars=0.2, unknown=("model_py",)), "3 minutes and $0.20 on AWS, without model_py"),
    ],
)  # fmt: skip
def test_an_estimate_is_one_phrase(estimate: Estimate, words: str) -> None:
    assert words in describe_estimate(estimate)


def test_there_is_no_estimate_before_the_plan() -> None:
    assert estimate_document(None) is None
