"""promote, rollback, history; archive, delete, undelete, tag, diff."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.spec.job_spec import JobSpec
from tests.fakes.records import card
from tests.unit.cli.conftest import Stage, selection


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """Versions 1 and 2 of m, the second one live."""
    stage.serve()
    stage.serve()
    return stage


def test_rollback_returns_to_the_previous_version_and_history_shows_the_reason(stage: Stage) -> None:
    document = stage.json("rollback", "m", "--reason", "errors", "--json")
    assert (document["version"], document["previous_version"], document["alias"]) == (1, 2, "live")
    newest, *earlier = stage.json("history", "m", "--json")
    assert set(newest) == {"at", "alias", "version", "previous", "by", "reason"}
    assert (newest["version"], newest["previous"], newest["reason"]) == (1, 2, "errors")
    assert newest["by"].startswith("modeldrop rollback")
    assert [move["version"] for move in earlier] == [2, 1]


def test_history_has_one_row_per_move(stage: Stage) -> None:
    stage.run("rollback", "m", "--reason", "errors")
    lines = stage.run("history", "m").stdout.splitlines()
    assert sum("live" in line for line in lines) == 3
    assert any("errors" in line for line in lines)


def test_history_at_a_time_shows_the_version_that_was_live(stage: Stage) -> None:
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    (move,) = stage.json("history", "m", "--at", later, "--json")
    assert move["version"] == 2
    assert stage.json("history", "m", "--at", "2020-01-01", "--json") == []
    assert "live then" in stage.run("history", "m", "--at", "1d").stderr


def test_rollback_without_an_earlier_version_fails_and_changes_nothing(stage: Stage) -> None:
    stage.serve("other")
    result = stage.run("rollback", "other")
    assert (result.exit_code, stage.registry.models("demo")[1].live_version) == (1, 1)
    assert "version 1" in result.stderr


def test_promote_of_another_alias_does_not_move_live(stage: Stage) -> None:
    assert stage.json("promote", "m", "1", "--alias", "canary", "--json")["alias"] == "canary"
    (model,) = stage.json("models", "--json")
    assert (model["aliases"], model["live_version"]) == ({"live": 2, "canary": 1}, 2)


def test_promote_fails_when_the_alias_does_not_point_to_the_expected_version(stage: Stage) -> None:
    result = stage.run("promote", "m", "1", "--expected", "7", "--json")
    assert (result.exit_code, json.loads(result.stdout)["type"]) == (1, "AliasMovedError")
    assert "version 2" in result.stderr


@pytest.mark.parametrize("command", ["archive", "delete"])
def test_the_live_version_is_neither_archived_nor_deleted(stage: Stage, command: str) -> None:
    result = stage.run(command, "m", "2")
    assert result.exit_code == 1
    assert "'live'" in result.stderr


def test_a_deleted_version_is_restored(stage: Stage) -> None:
    document = stage.json("delete", "m", "1", "--json")
    assert document["status"] == "DELETED"
    assert datetime.fromisoformat(document["restorable_until"]) > datetime.now(UTC) + timedelta(days=6)
    assert stage.run("card", "m", "1").exit_code == 1
    assert stage.json("undelete", "m", "1", "--json")["status"] == "READY"


def test_models_are_filtered_by_task_and_tag(stage: Stage) -> None:
    stage.serve("other")
    assert stage.json("tag", "other", "team=churn", "--json")["tags"] == {"team": "churn"}
    for words in (("--tag", "churn"), ("--tag", "team"), ("--tag", "team=churn", "--task", "classification")):
        assert [model["model"] for model in stage.json("models", *words, "--json")] == ["other"]
    for words in (("--tag", "sales"), ("--task", "regression")):
        assert stage.json("models", *words, "--json") == []
    assert stage.json("tag", "other", "team=", "--json")["tags"] == {}


def test_a_version_is_tagged(stage: Stage) -> None:
    assert stage.json("tag", "m", "1", "reviewed=yes", "--json")["version"] == 1
    assert stage.registry.get("demo", "m", 1).tags == {"reviewed": "yes"}


@pytest.mark.parametrize("words", [["1"], ["x"], ["1", "x"]])
def test_a_tag_without_a_value_is_a_usage_error(stage: Stage, words: list[str]) -> None:
    assert stage.run("tag", "m", *words).exit_code == 2


def test_diff_lists_data_spec_metrics_size_and_latency(stage: Stage) -> None:
    for number, (minutes, rows) in enumerate(((1, 80), (2, 90))):
        run = f"demo_m_{number}"
        spec = JobSpec.model_validate({"limits": {"minutes": minutes}})
        stage.artifacts.put(RunKeys(run).spec, spec.to_bytes())
        stage.artifacts.put(RunKeys(run).selection, selection().to_bytes())
        stage.artifacts.put("card", card(run).model_copy(update={"rows": {"train": rows}}).to_bytes())
    document = stage.json("diff", "m", "1", "2", "--json")
    assert document["versions"] == [1, 2]
    assert document["spec"] == {"limits.minutes": {"before": 1, "after": 2}}
    assert document["metrics"]["accuracy"] == {"before": 0.95, "after": 0.95}
    assert document["size"]["bytes"]["before"] == 4
    assert document["latency"]["latency_us"] == {"before": 41.0, "after": 41.0}
    assert "limits.minutes" in stage.run("diff", "m", "1", "2").stdout
