"""The server of the stack is optional, hardened, and uses existing options of the command."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from typer.main import get_command

from pipeline.cli.main import app
from tests.helpers.template import resources, template

KINDS = ("AWS::ECS::Cluster", "AWS::ECS::TaskDefinition", "AWS::ECS::Service")
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
MEMORY = {"1024": range(2_048, 8_193, 1_024)}


@pytest.fixture(scope="module")
def task() -> dict[str, Any]:
    return resources("AWS::ECS::TaskDefinition")["ServerTask"]


@pytest.fixture(scope="module")
def container(task: dict[str, Any]) -> dict[str, Any]:
    (container,) = task["ContainerDefinitions"]
    return dict(container)


def test_the_server_is_not_created_without_an_image() -> None:
    document = template()
    assert document["Parameters"]["ServeImageUri"]["Default"] == ""
    parts = [one for name, one in document["Resources"].items() if name.startswith("Server") or one["Type"] in KINDS]
    assert len(parts) == 6
    assert all(one["Condition"] == "HasServer" for one in parts)


def test_the_task_meets_the_requirements_of_fargate(task: dict[str, Any], container: dict[str, Any]) -> None:
    assert task["RequiresCompatibilities"] == ["FARGATE"]
    assert task["NetworkMode"] == "awsvpc"
    assert int(task["Memory"]) in MEMORY[task["Cpu"]]
    assert "ExecutionRoleArn" in task  # awslogs needs it
    assert container["StopTimeout"] <= 120
    check = container["HealthCheck"]
    assert 5 <= check["Interval"] <= 300
    assert 2 <= check["Timeout"] <= 60
    assert 0 <= check["StartPeriod"] <= 300


def test_the_container_is_hardened(container: dict[str, Any]) -> None:
    assert container["ReadonlyRootFilesystem"]
    assert container["User"] == "65532:65532"
    assert "/v2/health/ready" in container["HealthCheck"]["Command"][-1]


def test_the_command_and_its_options_exist(container: dict[str, Any]) -> None:
    root = get_command(app)
    program, stack, _, command = container["EntryPoint"]
    assert program == "modeldrop"
    assert stack in {option for parameter in root.params for option in parameter.opts}
    options = {option for parameter in root.commands[command].params for option in parameter.opts}  # type: ignore[attr-defined]  # it is a group
    words = re.findall(r"--[a-z-]+", json.dumps(container["Command"]))
    assert len(words) > 8
    assert set(words) <= options


def test_the_model_limit_fits_into_the_memory(task: dict[str, Any], container: dict[str, Any]) -> None:
    words = container["Command"]
    assert int(words[words.index("--max-model-mb") + 1]) <= int(task["Memory"]) / 2


def test_the_server_role_may_write_only_rollout_counters() -> None:
    (policy,) = resources("AWS::IAM::Role")["ServerRole"]["Policies"]
    actions: set[str] = set()
    for statement in policy["PolicyDocument"]["Statement"]:
        named = statement["Action"]
        actions |= {named} if isinstance(named, str) else set(named)
        assert statement["Resource"] != "*"
    of_table = {"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"}
    reads = {"cloudformation:DescribeStacks", *of_table, "s3:GetObject"}
    assert actions == {*reads, "dynamodb:UpdateItem"}  # test_iam says of which items


def test_the_server_is_reachable_only_from_the_vpc() -> None:
    (rule,) = resources("AWS::EC2::SecurityGroup")["ServerSecurityGroup"]["SecurityGroupIngress"]
    assert rule["CidrIp"] == {"Fn::GetAtt": ["Vpc", "CidrBlock"]}
    assert (rule["FromPort"], rule["ToPort"]) == (8_000, 8_001)
