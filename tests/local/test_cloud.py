"""The behavior that the hooks add to MiniStack, through boto3 and HTTP."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import Local, until

pytestmark = pytest.mark.cloud


def invoke(local: Local, **event: Any) -> tuple[dict[str, Any], str | None, str]:
    """Invoke the function; return the response, the kind of error and the log."""
    response = local.client("lambda").invoke(
        FunctionName=local.outputs["Function"], Payload=json.dumps(event).encode(), LogType="Tail"
    )
    log = base64.b64decode(response.get("LogResult", "")).decode()
    return json.loads(response["Payload"].read()), response.get("FunctionError"), log


def execute(local: Local, **document: Any) -> str:
    started = local.client("stepfunctions").start_execution(
        stateMachineArn=local.outputs["Machine"], name=f"run-{uuid.uuid4()}", input=json.dumps(document)
    )
    return str(started["executionArn"])


def ended(local: Local, arn: str) -> dict[str, Any]:
    client = local.client("stepfunctions")

    def look() -> dict[str, Any] | None:
        description: dict[str, Any] = client.describe_execution(executionArn=arn)
        return description if description["status"] != "RUNNING" else None

    return dict(until(look))


def event_of(local: Local, name: str, what: str) -> dict[str, Any]:
    """Return the event that the function ``remember`` received."""

    def look() -> dict[str, Any] | None:
        try:
            stored = local.client("s3").get_object(Bucket=local.outputs["Bucket"], Key=f"events/{name}/{what}.json")
        except ClientError:
            return None
        return dict(json.loads(stored["Body"].read()))

    return dict(until(look))


def job(local: Local, script: str, **options: Any) -> str:
    submitted = local.client("batch").submit_job(
        jobName=f"job-{uuid.uuid4()}",
        jobQueue=local.outputs["Queue"],
        jobDefinition=local.outputs["Job"],
        parameters={"script": script},
        **options,
    )
    return str(submitted["jobId"])


def described(local: Local, job_id: str) -> dict[str, Any]:
    return dict(local.client("batch").describe_jobs(jobs=[job_id])["jobs"][0])


def finished(local: Local, job_id: str) -> dict[str, Any]:
    until(lambda: described(local, job_id)["status"] in ("SUCCEEDED", "FAILED"))
    return described(local, job_id)


# ---------------------------------------------------------------- functions


def test_a_function_gets_a_context_its_settings_and_only_this_endpoint(local: Local) -> None:
    response, error, _ = invoke(local)
    assert error is None
    assert response["arn"].endswith(f":function:{local.outputs['Function']}")
    assert 0 < response["milliseconds_left"] <= 2000
    assert (response["setting"], response["profile"], response["endpoint"]) == (
        "first",
        None,
        local.server.endpoint_url,
    )


def test_an_instance_is_reused(local: Local) -> None:
    assert invoke(local)[0]["pid"] == invoke(local)[0]["pid"]


def test_an_error_has_the_name_of_its_class(local: Local) -> None:
    response, error, _ = invoke(local, what="raise")
    assert (response["errorType"], response["errorMessage"], error) == ("TooSourError", "no sugar", "Unhandled")


def test_a_function_that_exceeds_its_timeout_is_ended(local: Local) -> None:
    response, error, _ = invoke(local, what="sleep", seconds=30)
    assert (response["errorType"], error) == ("Sandbox.Timedout", "Unhandled")
    assert response["errorMessage"].endswith("Task timed out after 2.00 seconds")
    assert invoke(local)[1] is None


def test_the_error_of_a_function_that_exits_has_the_exit_status(local: Local) -> None:
    response, _, _ = invoke(local, what="exit")
    assert response["errorType"] == "Runtime.ExitError"
    assert response["errorMessage"].endswith("exit status 7")


def test_the_output_of_a_function_is_in_the_response_the_log_file_and_cloudwatch(local: Local) -> None:
    _, _, tail = invoke(local, what="say")
    stored = (local.home.function_logs / f"{local.outputs['Function']}.log").read_text()
    group = f"/aws/lambda/{local.outputs['Function']}"
    events = local.client("logs").filter_log_events(logGroupName=group)["events"]
    for text in (tail, stored, "\n".join(event["message"] for event in events)):
        assert "on stdout" in text
        assert "on stderr" in text


def test_concurrent_calls_run_in_separate_instances(local: Local) -> None:
    responses: list[dict[str, Any]] = []
    threads = [
        threading.Thread(target=lambda: responses.append(invoke(local, what="sleep", seconds=0.5)[0])) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({response["pid"] for response in responses}) == 3


# ---------------------------------------------------------------- executions


def test_a_state_catches_an_error_by_its_class(local: Local) -> None:
    description = ended(local, execute(local, way="function", event={"what": "raise"}))
    assert description["status"] == "SUCCEEDED"
    error = json.loads(description["output"])["error"]
    assert error["Error"] == "TooSourError"
    assert json.loads(error["Cause"])["errorMessage"] == "no sugar"


def test_an_execution_waits_for_jobs_and_gets_their_descriptions(local: Local) -> None:
    script = (
        "import os, boto3\n"
        "content = os.environ['EXTRA'].encode()\n"
        "boto3.client('s3').put_object(Bucket=os.environ['BUCKET'], Key='made', Body=content)"
    )
    jobs = [{"name": "good", "script": script}, {"name": "bad", "script": "raise SystemExit(5)"}]
    description = ended(local, execute(local, way="job", jobs=jobs))
    good, bad = json.loads(description["output"])
    assert (good["Status"], good["Container"]["ExitCode"]) == ("SUCCEEDED", 0)
    assert good["Parameters"] == {"script": script}
    assert (bad["cause"]["Status"], bad["cause"]["Container"]["ExitCode"]) == ("FAILED", 5)
    made = local.client("s3").get_object(Bucket=local.outputs["Bucket"], Key="made")["Body"].read()
    assert made == b"from the state"


def running_job(local: Local, name: str) -> str:
    """Wait until the job of that name runs, and return its id."""
    batch = local.client("batch")

    def look() -> str | None:
        jobs = batch.list_jobs(jobQueue=local.outputs["Queue"], jobStatus="RUNNING")["jobSummaryList"]
        return next((job["jobId"] for job in jobs if job["jobName"] == name), None)

    return str(until(look))


def test_a_stopped_execution_stays_aborted_and_its_job_is_ended(local: Local) -> None:
    name = f"stopped-{uuid.uuid4()}"
    arn = execute(local, way="job", jobs=[{"name": name, "script": "import time; time.sleep(60)"}])
    job_id = running_job(local, name)
    local.client("stepfunctions").stop_execution(executionArn=arn, cause="enough")
    assert finished(local, job_id)["statusReason"] == "the execution has ended"
    time.sleep(0.5)  # were it to turn FAILED, it would by now
    assert ended(local, arn)["status"] == "ABORTED"
    assert event_of(local, arn.rsplit(":", 1)[1], "ABORTED")["detail"]["status"] == "ABORTED"


def test_a_state_that_times_out_ends_its_job_and_an_event_reports_the_failure(local: Local) -> None:
    name = f"slow-{uuid.uuid4()}"
    arn = execute(local, way="slow job", name=name)
    job_id = running_job(local, name)
    description = ended(local, arn)
    assert (description["status"], description["error"]) == ("FAILED", "States.Timeout")
    assert finished(local, job_id)["statusReason"] == "the state timed out"
    assert event_of(local, description["name"], "FAILED")["detail"]["error"] == "States.Timeout"


def test_an_execution_that_exceeds_its_timeout_is_timed_out_and_an_event_reports_it(local: Local) -> None:
    states = local.client("stepfunctions")
    definition = {"StartAt": "W", "TimeoutSeconds": 1, "States": {"W": {"Type": "Wait", "Seconds": 2, "End": True}}}
    machine = states.create_state_machine(
        name="hasty", definition=json.dumps(definition), roleArn="arn:aws:iam::0:role/r"
    )
    arn = states.start_execution(stateMachineArn=machine["stateMachineArn"], name="too-long")["executionArn"]
    assert ended(local, arn)["status"] == "TIMED_OUT"
    assert event_of(local, "too-long", "TIMED_OUT")["detail"]["executionArn"] == arn
    time.sleep(1.5)  # its states are through by now
    assert ended(local, arn)["status"] == "TIMED_OUT"


# ---------------------------------------------------------------- jobs


def test_a_job_knows_its_id_and_is_logged_in_a_file_and_cloudwatch(local: Local) -> None:
    script = (
        "from os import environ as e; print(e['AWS_BATCH_JOB_ID'], e['AWS_BATCH_JOB_ATTEMPT'], e.get('AWS_PROFILE'))"
    )
    description = finished(local, job(local, script))
    line = f"{description['jobId']} 1 None"
    assert (local.home.job_logs / f"{description['jobName']}.log").read_text() == line + "\n"
    stream = description["container"]["logStreamName"]
    events = local.client("logs").get_log_events(logGroupName="/jobs", logStreamName=stream)["events"]
    assert [event["message"] for event in events] == [line]
    assert stream.startswith("job/default/")


@pytest.mark.parametrize(("code", "attempts"), [(3, 2), (4, 1)])
def test_a_job_is_retried_according_to_its_rules(local: Local, code: int, attempts: int) -> None:
    description = finished(local, job(local, f"raise SystemExit({code})"))
    assert [attempt["container"]["exitCode"] for attempt in description["attempts"]] == [code] * attempts
    assert description["status"] == "FAILED"


def test_a_job_that_exceeds_its_timeout_is_ended_and_not_retried(local: Local) -> None:
    job_id = job(local, "import time; time.sleep(60)", timeout={"attemptDurationSeconds": 1})
    description = finished(local, job_id)
    assert (description["statusReason"], len(description["attempts"])) == ("Job attempt duration exceeded timeout", 1)


def test_a_terminated_job_may_still_write_a_checkpoint(local: Local) -> None:
    script = (
        "import signal, sys, time\n"
        "def stop(*_):\n    print('checkpoint'); sys.exit(3)\n"
        "signal.signal(signal.SIGTERM, stop); print('ready', flush=True); time.sleep(60)"
    )
    job_id = job(local, script)
    log = local.home.job_logs / f"{described(local, job_id)['jobName']}.log"
    until(lambda: log.exists() and "ready" in log.read_text())
    local.client("batch").terminate_job(jobId=job_id, reason="somebody said so")
    description = finished(local, job_id)
    assert (description["statusReason"], description["container"]["exitCode"]) == ("somebody said so", 3)
    assert log.read_text() == "ready\ncheckpoint\n"


def test_a_job_of_an_unknown_queue_is_refused(local: Local) -> None:
    with pytest.raises(ClientError, match="JobQueue nowhere not found"):
        local.client("batch").submit_job(jobName="a", jobQueue="nowhere", jobDefinition=local.outputs["Job"])


def test_an_invalid_job_definition_is_refused(local: Local) -> None:
    container = {"image": "i", "environment": [{"name": "AWS_BATCH_X", "value": "1"}]}
    with pytest.raises(ClientError, match="AWS_BATCH_X"):
        local.client("batch").register_job_definition(
            jobDefinitionName="a", type="container", containerProperties=container
        )


def test_a_state_machine_with_an_unsupported_field_is_refused(local: Local) -> None:
    state = {"Type": "Task", "Resource": "arn:aws:states:::batch:submitJob.sync", "End": True}
    definition = {"StartAt": "A", "States": {"A": {**state, "Parameters": {"NodeOverrides": {}}}}}
    with pytest.raises(ClientError, match="NodeOverrides"):
        local.client("stepfunctions").create_state_machine(
            name="refused", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/r"
        )


# ---------------------------------------------------------------- objects, API, deployment


def test_the_event_of_an_object_names_the_version(local: Local) -> None:
    put = local.client("s3").put_object(Bucket=local.outputs["Bucket"], Key="uploads/one", Body=b"1")
    assert event_of(local, "one", "created")["detail"]["object"]["version-id"] == put["VersionId"]


def post(local: Local, path: str, key: str | None) -> httpx.Response:
    url = f"{local.server.endpoint_url}/restapis/{local.outputs['Api']}/v1/_user_request_{path}"
    headers = {"content-type": "application/json"} | ({"x-api-key": key} if key else {})
    return httpx.post(url, headers=headers, content=b"{}", timeout=30)


def test_a_request_passes_the_authorizer_with_a_usage_plan_key(local: Local) -> None:
    response = post(local, "/answer", "good")
    assert (response.status_code, response.json()["tenant"], response.json()["key"]) == (200, "acme", "good")
    assert response.json()["authorizer"] == ["principalId", "tenant"]
    assert response.json()["base64"] is True


@pytest.mark.parametrize(
    ("path", "key", "status", "error"),
    [
        ("/answer", None, 401, "no key"),
        ("/answer", "wrong", 403, "denied"),
        ("/answer", "good, but of no usage plan", 403, "Forbidden"),
        ("/nowhere", "good", 403, "Missing Authentication Token"),
        ("/crash", "good", 500, "Internal server error"),
    ],
)
def test_gateway_errors_use_the_responses_of_the_template(
    local: Local, path: str, key: str | None, status: int, error: str
) -> None:
    response = post(local, path, key)
    assert (response.status_code, response.json()["error"].strip()) == (status, error)
    assert list(response.json()) == ["error"]
