"""The embedded cloud refuses the Batch settings that AWS refuses, and accepts those of the template."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.local.batch.refusals import RefusedError, check_job_definition, check_job_queue
from pipeline.local.naming_case import camel_case
from tests.helpers.template import resources

DEFINITION = {"jobDefinitionName": "train", "containerProperties": {"command": ["python"]}}
FARGATE = {"executionRoleArn": "arn", "resourceRequirements": []}
QUEUE = {"jobQueueName": "cpu"}
CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"


def _fargate(vcpus: str, memory: str, **container: Any) -> dict[str, Any]:
    needs = [{"type": "VCPU", "value": vcpus}, {"type": "MEMORY", "value": memory}]
    properties = {**FARGATE, "resourceRequirements": needs, **container}
    return {**DEFINITION, "platformCapabilities": ["FARGATE"], "containerProperties": properties}


def _environment(name: str) -> dict[str, Any]:
    return {"environment": [{"name": name, "value": "1"}]}


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"jobDefinitionName": "a.b"}, "a.b"),
        ({"jobDefinitionName": "x" * 129}, "128"),
        ({"retryStrategy": {"attempts": 11}}, "attempts"),
        ({"retryStrategy": {"evaluateOnExit": [{"onReason": "Cannot*timeout*"}]}}, "onReason"),
        ({"retryStrategy": {"evaluateOnExit": [{"onStatusReason": "Host-EC2"}]}}, "onStatusReason"),
        ({"retryStrategy": {"evaluateOnExit": [{"onExitCode": "1x*"}]}}, "onExitCode"),
        ({"retryStrategy": {"evaluateOnExit": [{"onReason": "*"}] * 6}}, "6 rules"),
        ({"timeout": {"attemptDurationSeconds": 59}}, "attemptDurationSeconds"),
        ({"containerProperties": _environment("AWS_BATCH_JOB_ID")}, "AWS_BATCH_JOB_ID"),
        (
            {"nodeProperties": {"nodeRangeProperties": [{"container": _environment("AWS_BATCH_X")}]}},
            "AWS_BATCH_X",
        ),
        (_fargate("4", "7000"), "7000 MiB"),
        (_fargate("3", "8192"), "3 vCPUs"),
        (_fargate("4", "8192", executionRoleArn=None), "executionRoleArn"),
    ],
)
def test_an_invalid_job_definition_is_refused_with_the_field(change: dict[str, Any], fact: str) -> None:
    check_job_definition(DEFINITION)
    with pytest.raises(RefusedError, match=fact):
        check_job_definition({**DEFINITION, **change})


def test_a_valid_fargate_pair_of_vcpus_and_memory_is_accepted() -> None:
    for vcpus, memory in (("0.25", "512"), ("1", "8192"), ("4", "30720"), ("16", "32768")):
        check_job_definition(_fargate(vcpus, memory))


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"jobQueueName": "a/b"}, "a/b"),
        ({"jobStateTimeLimitActions": [{"reason": "UNDETERMINED", "maxTimeSeconds": 600}]}, "UNDETERMINED"),
        ({"jobStateTimeLimitActions": [{"reason": CAPACITY, "maxTimeSeconds": 599}]}, "599"),
    ],
)
def test_an_invalid_job_queue_is_refused_with_the_field(change: dict[str, Any], fact: str) -> None:
    check_job_queue(QUEUE)
    with pytest.raises(RefusedError, match=fact):
        check_job_queue({**QUEUE, **change})


@pytest.mark.parametrize("name", resources("AWS::Batch::JobDefinition"))
def test_the_job_definitions_of_the_template_are_accepted(name: str) -> None:
    definition = resources("AWS::Batch::JobDefinition")[name]
    document = camel_case({**definition, "JobDefinitionName": "name", "Timeout": {"AttemptDurationSeconds": 60}})
    for group in (document.get("nodeProperties") or {}).get("nodeRangeProperties") or []:
        group["container"]["resourceRequirements"] = []
    check_job_definition(document)
