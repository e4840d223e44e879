"""The target and task of a run or model, and the version that a run replaced, wherever they are shown."""

from __future__ import annotations

from pipeline.contracts.records.run import Learning
from tests.unit.cli.conftest import Stage

DEFAULT = Learning(target="visits", task="regression", default_target=True)


def test_watch_prints_the_target_after_validation_and_the_option_to_choose_another(stage: Stage) -> None:
    run = stage.begin()
    stage.runs.record_learning(run, DEFAULT)
    stage.runs.finish_stage(run, "validate")
    stage.runs.succeed(run, 1)
    lines = stage.run("watch", run).stderr.splitlines()
    assert lines[1] == "learning 'visits' (regression); --target chooses another"
    assert lines[0].startswith("validate: ")


def test_a_named_target_is_printed_without_the_hint(stage: Stage) -> None:
    run = stage.begin()
    stage.runs.record_learning(run, Learning(target="churned", task="classification"))
    stage.runs.succeed(run, 1)
    assert "learning 'churned' (classification)\n" in stage.run("watch", run).stderr


def test_a_likelier_target_is_reported_with_the_option_that_chooses_it(stage: Stage) -> None:
    run = stage.begin()
    stage.runs.record_learning(run, DEFAULT.model_copy(update={"likely_target": "my label"}))
    stage.runs.succeed(run, 1)
    assert "'my label' is more likely the target: --target 'my label' chooses it" in stage.run("watch", run).stderr


def test_hints_about_the_data_are_printed_while_the_run_is_watched(stage: Stage) -> None:
    run = stage.begin()
    hint = "add `split: {by: time, column: day}` to train.yaml"
    stage.runs.record_learning(run, DEFAULT.model_copy(update={"hints": (hint,)}))
    stage.runs.succeed(run, 1)
    assert f"! {hint}" in stage.run("watch", run).stderr


def test_a_clustering_run_has_no_target(stage: Stage) -> None:
    run = stage.begin()
    stage.runs.record_learning(run, Learning(target="", task="clustering"))
    stage.runs.succeed(run, 1)
    assert "learning clusters\n" in stage.run("watch", run).stderr
    assert stage.json("watch", run, "--json")["target"] is None


def test_the_record_of_a_run_has_target_and_task_once_they_are_known(stage: Stage) -> None:
    run = stage.begin()
    assert [stage.json("runs", "--json")[0][key] for key in ("target", "task")] == [None, None]
    stage.runs.record_learning(run, DEFAULT)
    assert [stage.json("runs", "--json")[0][key] for key in ("target", "task")] == ["visits", "regression"]


def test_an_ended_run_does_not_record_a_target(stage: Stage) -> None:
    run = stage.begin()
    stage.runs.succeed(run, 1)
    stage.runs.record_learning(run, DEFAULT)
    assert stage.runs.get(run).learning is None


def test_models_name_target_and_task(stage: Stage) -> None:
    stage.serve()
    output = stage.run("models").stdout
    assert "kind" in output
    assert "classification" in output
    (document,) = stage.json("models", "--json")
    assert (document["live"]["target"], document["live"]["task"]) == ("kind", "classification")


def test_watch_prints_the_replaced_version_and_the_record_has_it(stage: Stage) -> None:
    run = stage.begin()
    stage.runs.add_event(run, "replaced version 1, which a person had made live: promote: manual ...")
    stage.runs.succeed(run, 2)
    assert "replaced version 1" in stage.run("watch", run).stderr
    (event,) = stage.json("watch", run, "--json")["events"]
    assert event["text"].startswith("replaced version 1")
