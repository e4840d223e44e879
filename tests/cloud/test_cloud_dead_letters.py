"""What nobody could handle is redriven by the command, whoever could not deliver it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from tests.cloud.data import as_csv, wine
from tests.cloud.driver import STACK, Cloud

pytestmark = pytest.mark.cloud


def _url(cloud: Cloud, output: str) -> str:
    stack = cloud.session.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return next(str(found["OutputValue"]) for found in stack["Outputs"] if found["OutputKey"] == output)


def test_an_upload_and_a_failure_are_redriven(cloud: Cloud, home: Path) -> None:
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/letters/train.yaml", Body=b"algorithms: [linear]\n")
    run = cloud.drop_and_end("demo/letters/wine.csv", as_csv(wine()))
    assert run.status == "SUCCEEDED", run.error
    event = json.loads((Path(__file__).parents[1] / "events" / "record_failure_aborted.json").read_text())
    cloud.sqs.send_message(QueueUrl=_url(cloud, "FailureDeadLettersUrl"), MessageBody=json.dumps(event))
    upload = {"detail": {"bucket": {"name": cloud.uploads}, "object": {"key": "demo/letters/no-such.csv"}}}
    cloud.sqs.send_message(QueueUrl=_url(cloud, "EventDeadLettersUrl"), MessageBody=json.dumps(upload))
    called = CliRunner().invoke(app, ["--home", str(home), "dead-letters", "--redrive", "--json"])
    assert called.exit_code == 0, called.output
    redriven = {found["queue"]: found["redriven"] for found in json.loads(called.stdout)}
    assert redriven == {"uploads": 0, "events": 1, "failures": 1}
    again = CliRunner().invoke(app, ["--home", str(home), "dead-letters", "--json"])
    assert [found["messages"] for found in json.loads(again.stdout)] == [0, 0, 0]
