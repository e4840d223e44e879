"""Limits that AWS enforces, but not CloudFormation's schema or the embedded cloud: patterns, bounds, names."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.helpers.template import resources, template, transformed

PARAMETERS = template()["Parameters"]
JOBS = resources("AWS::Batch::JobDefinition")
ENVIRONMENTS = resources("AWS::Batch::ComputeEnvironment")
# https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
EXIT_PATTERNS = {
    "OnReason": r"[0-9A-Za-z.:\s]{0,511}\*?",
    "OnStatusReason": r"[0-9A-Za-z.:\s]{0,511}\*?",
    "OnExitCode": r"[0-9]{0,511}\*?",
}
BOUNDS = {  # parameter: the least and the most that the service takes
    "CapacitySeconds": (600, 86_400),
    "GpuWaitSeconds": (60, 43_200),
    "CpuWaitSeconds": (60, 43_200),
    "FargateWaitSeconds": (60, 43_200),
    "JobSeconds": (60, 86_400),
    "MaxVcpus": (4, 10_000),
    "RequestsPerSecond": (1, 10_000),
    "RequestsPerDay": (1, 2**31 - 1),
    "LargeBytes": (1, 2**30),
    "AliasSeconds": (0, 3_600),
}
# Families in their regions: https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeResource.html
EVERYWHERE = {"optimal", "default_x86_64"}
NAME_LENGTHS = {"JobQueueName": 128, "JobDefinitionName": 128, "LogGroupName": 512}
LONG_STACK = "Analytics-" + "x" * 90


def _containers(job: dict[str, Any]) -> list[dict[str, Any]]:
    if "ContainerProperties" in job:
        return [job["ContainerProperties"]]
    return [group["Container"] for group in job["NodeProperties"]["NodeRangeProperties"]]


@pytest.mark.parametrize("name", JOBS)
def test_a_retry_pattern_has_an_asterisk_only_at_the_end(name: str) -> None:
    rules = JOBS[name]["RetryStrategy"].get("EvaluateOnExit", [])
    assert len(rules) <= 5
    for rule in rules:
        for field, pattern in EXIT_PATTERNS.items():
            assert re.fullmatch(pattern, rule.get(field, "")), rule


@pytest.mark.parametrize("name", JOBS)
def test_every_job_has_the_region_in_its_environment(name: str) -> None:
    for container in _containers(JOBS[name]):
        environment = {variable["Name"]: variable["Value"] for variable in container["Environment"]}
        assert environment["AWS_REGION"] == {"Ref": "AWS::Region"}
        assert not any(variable.startswith("AWS_BATCH") for variable in environment)  # reserved: Batch refuses it


@pytest.mark.parametrize("name", [name for name in ENVIRONMENTS if not name.startswith("Fargate")])
def test_machines_use_the_latest_version_of_the_launch_template(name: str) -> None:
    launch = ENVIRONMENTS[name]["ComputeResources"]["LaunchTemplate"]
    assert launch["Version"] == {"Fn::GetAtt": ["MachineTemplate", "LatestVersionNumber"]}  # $Default stays at 1


def test_default_instance_types_are_widely_available() -> None:
    assert set(PARAMETERS["CpuInstanceTypes"]["Default"].split(",")) <= EVERYWHERE
    assert all(kind.startswith("g4dn.") for kind in PARAMETERS["GpuInstanceTypes"]["Default"].split(","))


@pytest.mark.parametrize("name", BOUNDS)
def test_a_numeric_parameter_stays_within_the_bounds_of_the_service(name: str) -> None:
    least, most = BOUNDS[name]
    parameter = PARAMETERS[name]
    assert least <= parameter["MinValue"] <= parameter["Default"] <= parameter["MaxValue"] <= most


def test_explicit_names_fit_with_a_long_stack_name() -> None:
    for resource in transformed()["Resources"].values():
        for field, most in NAME_LENGTHS.items():
            name = resource.get("Properties", {}).get(field)
            if isinstance(name, dict) and "Fn::Sub" in name:
                assert len(name["Fn::Sub"].replace("${AWS::StackName}", LONG_STACK)) <= most


def test_resources_with_strict_name_rules_have_no_explicit_name() -> None:
    """State machines have 80 characters; repositories and buckets have no upper case."""
    for resource in transformed()["Resources"].values():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind in ("AWS::StepFunctions::StateMachine", "AWS::ECR::Repository", "AWS::S3::Bucket", "AWS::SQS::Queue"):
            assert not {"StateMachineName", "RepositoryName", "BucketName", "QueueName"} & set(properties)


def test_no_queue_policy_depends_on_a_shortened_rule_name() -> None:
    for policy in resources("AWS::SQS::QueuePolicy").values():
        assert "rule/${AWS::StackName}" not in json.dumps(policy)
