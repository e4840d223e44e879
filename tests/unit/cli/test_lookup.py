"""Names that are not there, and names of models in place of runs and versions."""

from __future__ import annotations

import json

import pytest

from pipeline.contracts.records.model_version import ModelCard
from tests.fakes.records import card
from tests.unit.cli.conftest import Stage

ROW = json.dumps({"width": 1.5, "colour": "red"})


@pytest.mark.parametrize("arguments", [("predict", "chrn", ROW), ("card", "chrn"), ("promote", "chrn", "1")])
def test_a_misspelled_model_is_answered_with_the_nearest(stage: Stage, arguments: tuple[str, ...]) -> None:
    stage.serve("churn")
    stage.serve("houses")
    result = stage.run(*arguments)
    assert result.exit_code == 1
    assert result.stderr == "error: no model 'chrn'; did you mean 'churn'?\n"


def test_an_unknown_model_that_resembles_none_is_answered_with_those_there_are(stage: Stage) -> None:
    stage.serve("churn")
    stage.serve("houses")
    assert stage.run("card", "zzz").stderr == "error: no model 'zzz'; there are churn, houses\n"


def test_without_any_model_the_command_says_how_to_train_one(stage: Stage) -> None:
    assert "tenant 'demo' has none yet; 'modeldrop drop FILE' trains one" in stage.run("card", "churn").stderr


def test_a_model_of_another_tenant_is_pointed_to(stage: Stage) -> None:
    stage.serve("churn", tenant="acme")
    assert "tenant 'acme' has one: --tenant acme" in stage.run("card", "churn").stderr


def test_a_version_that_is_not_there_is_answered_with_the_range(stage: Stage) -> None:
    stage.serve("churn")
    stage.serve("churn")
    assert "model 'churn' has no version 7: it has versions 1 to 2" in stage.run("promote", "churn", "7").stderr


def test_predict_on_a_model_that_nobody_has_promoted_says_how_to(stage: Stage) -> None:
    stage.serve("churn", live=False)
    result = stage.run("predict", "churn", ROW)
    assert "no version of 'churn' is live: 'modeldrop promote churn 1'" in result.stderr
    assert "alias" not in result.stderr


def test_a_misspelled_run_is_answered_with_the_nearest(stage: Stage) -> None:
    stage.begin("demo_churn_1f2e", model="churn")
    assert "did you mean 'demo_churn_1f2e'?" in stage.run("watch", "demo_churn_1f2").stderr
    assert "did you mean 'churn'?" in stage.run("logs", "chrn").stderr


def test_watch_and_logs_take_a_models_name_for_its_newest_run(stage: Stage) -> None:
    for run in ("demo_churn_1", "demo_churn_2", "demo_other_3"):
        stage.begin(run, model=run.split("_")[1])
        stage.runs.succeed(run, 1)
    assert stage.json("watch", "churn", "--json")["run"] == "demo_churn_2"
    assert stage.run("logs", "churn").exit_code == 0


def test_watch_takes_another_tenants_model(stage: Stage) -> None:
    stage.begin("acme_churn_1", tenant="acme", model="churn")
    stage.runs.succeed("acme_churn_1", 1)
    assert stage.json("watch", "churn", "--tenant", "acme", "--json")["run"] == "acme_churn_1"


def test_card_without_a_version_is_of_the_live_one_and_else_of_the_newest(stage: Stage) -> None:
    document: ModelCard = card("demo_m_0")
    stage.artifacts.put(stage.serve("m", live=False).card_key, document.to_bytes())
    stage.serve("m", live=False)
    assert stage.json("card", "m", "--json")["version"] == 2
    stage.run("promote", "m", "1")
    assert stage.json("card", "m", "--json")["version"] == 1


def test_watch_of_an_older_run_says_what_it_made_and_what_is_live_now(stage: Stage) -> None:
    stage.serve("m")
    stage.serve("m")
    stage.runs.succeed(stage.begin("demo_m_0"), 1)
    stage.runs.succeed(stage.begin("demo_m_1"), 2)
    assert "this run made m version 1; version 2 is live now" in stage.run("watch", "demo_m_0").stderr
    assert "m version 2 is live\n" in stage.run("watch", "demo_m_1").stderr
    stage.run("promote", "m", "1")
    assert "this run made m version 2; version 1 is live now" in stage.run("watch", "demo_m_1").stderr
    assert "m version 1 is live\n" in stage.run("watch", "demo_m_0").stderr
