"""The server ends and starts again: cleanly, killed, with another stack."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts.errors import ConfigurationError
from pipeline.local.deploy import CODE_BUCKET, Deployer
from pipeline.local.home import Home
from pipeline.local.launch import start, terminate, wait_for
from pipeline.local.package import Package, package
from tests.local.conftest import APP, Local, until
from tests.local.test_cloud import ended, event_of, execute, invoke, running_job

pytestmark = pytest.mark.cloud


def again(own: Local) -> Local:
    return replace(own, server=wait_for(own.home, start(own.home)))


def long_run(own: Local) -> tuple[str, int]:
    """Start an execution whose job sleeps; return it and the process of the job."""
    arn = execute(
        own, way="job", jobs=[{"name": "long", "script": "import os, time; print(os.getpid()); time.sleep(90)"}]
    )
    running_job(own, "long")
    log = own.home.job_logs / "long.log"
    until(lambda: log.exists() and log.read_text())
    return arn, int(log.read_text())


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_clean_end_keeps_the_stack_and_fails_the_active_execution(own: Local) -> None:
    arn, job = long_run(own)
    handler = invoke(own)[0]["pid"]
    terminate(own.home, own.server)
    until(lambda: gone(job) and gone(handler))
    back = again(own)
    execution = ended(back, arn)
    assert (execution["status"], execution["error"]) == ("FAILED", "ExecutionEndedError")
    assert "interrupted" in event_of(back, execution["name"], "FAILED")["detail"]["cause"]
    jobs = back.client("batch").list_jobs(jobQueue=back.outputs["Queue"], jobStatus="FAILED")["jobSummaryList"]
    assert [job["jobName"] for job in jobs] == ["long"]
    assert invoke(back)[1] is None


def put_items(own: Local, *names: str) -> None:
    """Put items in the table, and wait until the function that reads its stream was given them."""
    for name in names:
        own.client("dynamodb").put_item(TableName=own.outputs["Table"], Item={"pk": {"S": name}})

    def remembered() -> bool:
        listed = own.client("s3").list_objects_v2(Bucket=own.outputs["Bucket"], Prefix="items/")
        return {f"items/{name}" for name in names} <= {entry["Key"] for entry in listed.get("Contents", ())}

    until(remembered, 20)


def test_changes_of_a_table_reach_the_function_after_a_restart(own: Local) -> None:
    put_items(own, "a", "b", "c")
    terminate(own.home, own.server)
    put_items(again(own), "d")


def test_a_killed_server_leaves_no_processes_and_can_be_started_again(own: Local) -> None:
    arn, job = long_run(own)
    handler = invoke(own)[0]["pid"]
    os.kill(own.server.pid, signal.SIGKILL)
    until(lambda: gone(job) and gone(handler))
    assert own.home.server() is None
    execution = ended(again(own), arn)
    assert (execution["status"], execution["error"]) == ("FAILED", "ExecutionEndedError")


def changed(own: Local, digest: str, change: Any) -> dict[str, str]:
    """Deploy the application again, with ``change`` made to its template."""
    made = package(APP / "template.yaml", bucket=CODE_BUCKET, digest=digest)
    change(made.template)
    return Deployer(own.server.endpoint_url).deploy("app", Package(**vars(made)))


def test_a_change_of_the_stack_reaches_functions_jobs_and_the_api(own: Local) -> None:
    before = invoke(own)[0]

    def change(template: dict[str, Any]) -> None:
        template["Globals"]["Function"]["Environment"]["Variables"]["SETTING"] = "second"
        template["Resources"]["Job"]["Properties"]["Timeout"]["AttemptDurationSeconds"] = 70

    outputs = changed(own, "2", change)
    after = invoke(own)[0]
    assert (before["setting"], after["setting"]) == ("first", "second")
    assert outputs["Job"] == own.outputs["Job"].replace(":1", ":2")
    assert outputs["Queue"] == own.outputs["Queue"]
    jobs = own.client("batch").describe_job_definitions(jobDefinitionName=outputs["Job"].split("/")[1].split(":")[0])
    definitions = [(job["status"], job["timeout"]["attemptDurationSeconds"]) for job in jobs["jobDefinitions"]]
    assert definitions == [("INACTIVE", 60), ("ACTIVE", 70)]


def test_deploying_the_same_code_changes_nothing_and_other_code_replaces_instances(own: Local) -> None:
    before = invoke(own)[0]["pid"]
    assert changed(own, "1", lambda template: None) == own.outputs
    assert invoke(own)[0]["pid"] == before
    changed(own, "2", lambda template: None)
    assert invoke(own)[0]["pid"] != before


def test_a_failed_deployment_names_the_resource_and_can_be_repeated(own: Local) -> None:
    machines = {"Type": "AWS::Batch::ComputeEnvironment", "Properties": {"ComputeEnvironmentName": "m"}}
    second = {**machines, "DependsOn": "First"}
    deployer = Deployer(own.server.endpoint_url)
    with pytest.raises(ConfigurationError, match=r"could not be deployed: Second .*: Object already exists: m"):
        deployer.deploy("other", Package(template={"Resources": {"First": machines, "Second": second}}, digest="1"))
    assert not deployer.is_deployed("other")
    deployer.deploy("other", Package(template={"Resources": {"First": machines}}, digest="2"))
    assert deployer.is_deployed("other")


def test_a_server_that_cannot_start_reports_the_reason(tmp_path: Path) -> None:
    home = Home(tmp_path)
    process = start(home, "203.0.113.1")
    with pytest.raises(ConfigurationError, match=r"could not start: .*203\.0\.113\.1:\d+"):
        wait_for(home, process)
