"""The command redrives the dead letters of every queue."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.intake.lost_runs import START_GRACE
from tests.helpers.cloud_driver import STACK, Cloud
from tests.helpers.real_data import as_csv, wine

pytestmark = pytest.mark.cloud


def _url(cloud: Cloud, output: str) -> str:
    stack = cloud.session.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return next(str(entry["OutputValue"]) for entry in stack["Outputs"] if entry["OutputKey"] == output)


def test_dead_letters_of_an_upload_and_a_failure_are_redriven(cloud: Cloud, home: Path) -> None:
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/letters/train.yaml", Body=b"algorithms: [linear]\n")
    run = cloud.drop_and_end("demo/letters/wine.csv", as_csv(wine()))
    assert run.status == "SUCCEEDED", run.error
    event = json.loads((Path(__file__).parents[1] / "events" / "record_failure_aborted.json").read_text())
    cloud.sqs.send_message(QueueUrl=_url(cloud, "FailureDeadLettersUrl"), MessageBody=json.dumps(event))
    upload = {"detail": {"bucket": {"name": cloud.uploads}, "object": {"key": "demo/letters/no-such.csv"}}}
    cloud.sqs.send_message(QueueUrl=_url(cloud, "EventDeadLettersUrl"), MessageBody=json.dumps(upload))
    called = CliRunner().invoke(app, ["--home", str(home), "dead-letters", "--redrive", "--json"])
    assert called.exit_code == 0, called.output
    redriven = {entry["queue"]: entry["redriven"] for entry in json.loads(called.stdout)}
    assert redriven == {"uploads": 0, "events": 1, "failures": 1}
    again = CliRunner().invoke(app, ["--home", str(home), "dead-letters", "--json"])
    assert [entry["messages"] for entry in json.loads(again.stdout)] == [0, 0, 0]


def test_the_scheduled_function_fails_a_run_without_an_execution(cloud: Cloud) -> None:
    lost = "demo_lost_0123456789ab"
    long_ago = datetime.now(UTC) - START_GRACE
    cloud.runs.create(lost, tenant="demo", model="lost", file="lost.csv", started_at=long_ago)
    events = cloud.session.client("events")
    (rule,) = [rule for rule in events.list_rules()["Rules"] if rule.get("ScheduleExpression") == "rate(15 minutes)"]
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    event = json.loads((Path(__file__).parents[1] / "events" / "fail_lost_runs.json").read_text())
    answer = cloud.session.client("lambda").invoke(FunctionName=target["Arn"], Payload=json.dumps(event))
    assert json.loads(answer["Payload"].read()) == {"runs": 1}
    run = cloud.runs.get(lost)
    assert (run.status, run.error and run.error.type) == ("FAILED", "ExecutionEndedError")
