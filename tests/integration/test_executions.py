"""The adapters of the state machine, of other functions, of logs and of a stack."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from pipeline.bootstrap import operator
from pipeline.cloud.administration.stack import Stack
from pipeline.cloud.clients import Clients
from pipeline.cloud.cloud_watch_logs import CloudWatchLogs
from pipeline.cloud.lambda_function_calls import LambdaFunctionCalls
from pipeline.cloud.step_functions_executions import StepFunctionsExecutions
from pipeline.contracts.errors import (
    ConfigurationError,
    InvalidRequestError,
    JobCrashedError,
    NotFoundError,
    TransientError,
)
from tests.integration.conftest import REGION

RUN = "demo_adult_0123456789ab"
OTHER = "demo_adult_ffffffffffff"


def test_an_execution_is_started_once_with_the_name_of_the_run(clients: Clients, state_machine: str) -> None:
    executions = StepFunctionsExecutions(clients.stepfunctions, state_machine)
    assert executions.start(RUN, {"run": RUN})
    assert not executions.start(RUN, {"run": RUN, "more": 1})
    (started,) = clients.stepfunctions.list_executions(stateMachineArn=state_machine)["executions"]
    described = clients.stepfunctions.describe_execution(executionArn=started["executionArn"])
    assert (described["name"], json.loads(described["input"])) == (RUN, {"run": RUN})


def test_an_execution_is_stopped_by_the_name_of_the_run(clients: Clients, state_machine: str) -> None:
    executions = StepFunctionsExecutions(clients.stepfunctions, state_machine)
    executions.start(RUN, {"run": RUN})
    executions.stop(RUN, "by hand")
    (stopped,) = clients.stepfunctions.list_executions(stateMachineArn=state_machine)["executions"]
    assert stopped["status"] == "ABORTED"
    with pytest.raises(NotFoundError):
        executions.stop(OTHER, "by hand")


def test_a_missing_state_machine_is_a_configuration_error(clients: Clients, state_machine: str) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        StepFunctionsExecutions(clients.stepfunctions, state_machine + "-nowhere").start(RUN, {})


def _invoked(clients: Clients, document: dict[str, Any], error: str | None = None) -> dict[str, Any]:
    """Call a function that returns ``document`` (with botocore's Stubber: moto runs no function)."""
    payload = json.dumps(document).encode()
    answer = {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(payload), len(payload))}
    with Stubber(clients.functions) as stub:
        stub.add_response("invoke", answer | ({"FunctionError": error} if error else {}))
        return LambdaFunctionCalls(clients.functions).call("predict", {"a": 1})


def test_the_response_of_a_function_is_returned(clients: Clients) -> None:
    assert _invoked(clients, {"statusCode": 200}) == {"statusCode": 200}


def test_the_error_of_a_function_is_raised_as_its_class(clients: Clients) -> None:
    with pytest.raises(InvalidRequestError, match="a column is missing"):
        _invoked(clients, {"errorType": "InvalidRequestError", "errorMessage": "a column is missing"}, "Unhandled")


def test_a_function_that_times_out_is_a_job_crashed_error(clients: Clients) -> None:
    with pytest.raises(JobCrashedError, match="timed out"):
        _invoked(clients, {"errorMessage": "Task timed out after 3.00 seconds"}, "Unhandled")


def test_a_busy_service_is_a_transient_error(clients: Clients) -> None:
    with Stubber(clients.functions) as stub:
        stub.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
        with pytest.raises(TransientError):
            LambdaFunctionCalls(clients.functions).call("predict", {})


def test_log_lines_of_a_run_are_read_from_all_groups_in_order_of_time(clients: Clients) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    groups = ["/aws/lambda/one", "/aws/lambda/two", "/aws/lambda/never-written"]
    for number, group in enumerate(groups[:2]):
        clients.logs.create_log_group(logGroupName=group)
        clients.logs.create_log_stream(logGroupName=group, logStreamName="s")
        clients.logs.put_log_events(
            logGroupName=group,
            logStreamName="s",
            logEvents=[
                {"timestamp": int((now + timedelta(seconds=at)).timestamp() * 1000), "message": f'{{"run":"{run}"}}\n'}
                for at, run in ((number, RUN), (number + 5, OTHER), (10 - number, RUN))
            ],
        )
    logs = CloudWatchLogs(clients.logs, groups)
    lines = logs.lines(RUN)
    assert [(line.group, (line.timestamp - now).seconds) for line in lines] == [
        (groups[0], 0),
        (groups[1], 1),
        (groups[1], 9),
        (groups[0], 10),
    ]
    assert {line.message for line in lines} == {f'{{"run":"{RUN}"}}'}
    assert len(logs.lines(RUN, since=now + timedelta(seconds=2))) == 2


TEMPLATE = {
    "Resources": {
        "Uploads": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "the-uploads"}},
        "Artifacts": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "the-artifacts"}},
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/the/logs"}},
    },
    "Outputs": {
        "UploadsBucket": {"Value": {"Ref": "Uploads"}},
        "ArtifactsBucket": {"Value": {"Ref": "Artifacts"}},
        "TableName": {"Value": "the-table"},
        "StateMachineArn": {"Value": f"arn:aws:states:{REGION}:123456789012:stateMachine:pipeline"},
        "ApiUrl": {"Value": "https://api"},
    },
}


def test_a_stack_lists_the_addresses_of_its_resources(clients: Clients) -> None:
    clients.cloudformation.create_stack(StackName="mine", TemplateBody=json.dumps(TEMPLATE))
    stack = Stack(clients.cloudformation, "mine")
    assert stack.outputs()["UploadsBucket"] == "the-uploads"
    assert stack.resources("AWS::Logs::LogGroup") == ["/the/logs"]


def test_a_missing_stack_is_not_found(clients: Clients) -> None:
    with pytest.raises(NotFoundError, match="'mine'"):
        Stack(clients.cloudformation, "mine").outputs()


def test_the_operator_connects_to_all_resources_of_a_stack(clients: Clients) -> None:
    clients.cloudformation.create_stack(StackName="mine", TemplateBody=json.dumps(TEMPLATE))
    connection = operator(stack="mine", region=REGION, credentials=("test", "test"))
    connection.uploads.put("demo/adult/a.csv", b"1")
    assert clients.s3.get_object(Bucket="the-uploads", Key="demo/adult/a.csv")["Body"].read() == b"1"
    assert connection.artifacts.bucket == "the-artifacts"
    assert connection.outputs["ApiUrl"] == "https://api"
    assert connection.logs.lines(RUN) == []


def test_a_missing_profile_is_a_configuration_error(clients: Clients) -> None:
    with pytest.raises(ConfigurationError, match="no-such-profile"):
        operator(stack="mine", region=REGION, profile="no-such-profile")
