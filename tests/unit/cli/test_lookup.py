"""Names that do not exist, and names of models in place of runs and versions."""

from __future__ import annotations

import json

import pytest

from pipeline.contracts.records.model_version import ModelCard
from tests.fakes.records import card
from tests.unit.cli.conftest import Stage

ROW = json.dumps({"width": 1.5, "colour": "red"})


@pytest.mark.parametrize("arguments", [("predict", "chrn", ROW), ("card", "chrn"), ("promote", "chrn", "1")])
def test_a_misspelled_model_suggests_the_nearest(stage: Stage, arguments: tuple[str, ...]) -> None:
    stage.serve("churn")
    stage.serve("houses")
    result = stage.run(*arguments)
    assert result.exit_code == 1
    assert result.stderr == "error: no model 'chrn'; did you mean 'churn'?\n"


def test_an_unknown_model_lists_the_models_when_none_is_similar(stage: Stage) -> None:
    stage.serve("churn")
    stage.serve("houses")
    assert stage.run("card", "zzz").stderr == "error: no model 'zzz'; there are churn, houses\n"


def test_an_unknown_model_names_the_drop_command_when_there_are_no_models(stage: Stage) -> None:
    assert "tenant 'demo' has none yet; 'modeldrop drop FILE' trains one" in stage.run("card", "churn").stderr


def test_an_unknown_model_names_another_tenant_that_has_one(stage: Stage) -> None:
    stage.serve("churn", tenant="acme")
    assert "tenant 'acme' has one: --tenant acme" in stage.run("card", "churn").stderr


def test_an_unknown_version_lists_the_range_of_versions(stage: Stage) -> None:
    stage.serve("churn")
    stage.serve("churn")
    assert "model 'churn' has no version 7: it has versions 1 to 2" in stage.run("promote", "churn", "7").stderr


def test_predict_without_a_live_version_names_the_promote_command(stage: Stage) -> None:
    stage.serve("churn", live=False)
    result = stage.run("predict", "churn", ROW)
    assert "no version of 'churn' is live: 'modeldrop promote churn 1'" in result.stderr
    assert "alias" not in result.stderr


def test_a_misspelled_run_suggests_the_nearest(stage: Stage) -> None:
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


def test_card_without_a_version_shows_the_live_or_else_the_newest_version(stage: Stage) -> None:
    document: ModelCard = card("demo_m_0")
    stage.artifacts.put(stage.serve("m", live=False).card_key, document.to_bytes())
    stage.serve("m", live=False)
    assert stage.json("card", "m", "--json")["version"] == 2
    stage.run("promote", "m", "1")
    assert stage.json("card", "m", "--json")["version"] == 1


def test_watch_of_an_older_run_names_its_version_and_the_live_version(stage: Stage) -> None:
    stage.serve("m")
    stage.serve("m")
    stage.runs.succeed(stage.begin("demo_m_0"), 1)
    stage.runs.succeed(stage.begin("demo_m_1"), 2)
    assert "this run made m version 1; version 2 is live now" in stage.run("watch", "demo_m_0").stderr
    assert "m version 2 is live\n" in stage.run("watch", "demo_m_1").stderr
    stage.run("promote", "m", "1")
    assert "this run made m version 2; version 1 is live now" in stage.run("watch", "demo_m_1").stderr
    assert "m version 1 is live\n" in stage.run("watch", "demo_m_0").stderr
