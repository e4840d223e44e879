"""Small jobs on Fargate, which takes fewer parameters than EC2 and refuses the others.

https://docs.aws.amazon.com/batch/latest/userguide/fargate-job-definitions.html, fargate-compute-environments.html and
fargate-job-queues.html
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from pipeline.planning.estimates import DOLLARS_AN_HOUR
from tests.helpers.template import resources, template

ENVIRONMENTS = {
    name: environment["ComputeResources"]
    for name, environment in resources("AWS::Batch::ComputeEnvironment").items()
    if environment["ComputeResources"]["Type"].startswith("FARGATE")
}
JOBS = {
    name: job
    for name, job in resources("AWS::Batch::JobDefinition").items()
    if "FARGATE" in job.get("PlatformCapabilities", [])
}
QUEUE = resources("AWS::Batch::JobQueue")["FargateQueue"]
# vCPUs: GB of memory that Fargate takes with them (API_ResourceRequirement)
MEMORY_GB = {
    "0.25": (0.5, 1, 2),
    "0.5": (1, 2, 3, 4),
    "1": tuple(range(2, 9)),
    "2": tuple(range(4, 17)),
    "4": tuple(range(8, 31)),
    "8": tuple(range(16, 61, 4)),
    "16": tuple(range(32, 121, 8)),
}
REFUSED_BY_ENVIRONMENTS = {
    "AllocationStrategy", "BidPercentage", "DesiredvCpus", "ImageId", "InstanceTypes", "Ec2Configuration", "Ec2KeyPair",
    "InstanceRole", "LaunchTemplate", "MinvCpus", "PlacementGroup", "SpotIamFleetRole", "Tags",
    "UpdateToLatestImageVersion",
}  # fmt: skip
REFUSED_BY_JOBS = {"InstanceType", "Ulimits", "Memory", "Vcpus", "Privileged", "Volumes", "MountPoints"}


def _needs(job: dict[str, Any]) -> dict[str, str]:
    return {need["Type"]: need["Value"] for need in job["ContainerProperties"]["ResourceRequirements"]}


def test_the_fargate_queue_prefers_spot_and_has_only_fargate_environments() -> None:
    kinds = [ENVIRONMENTS[one["ComputeEnvironment"]["Ref"]]["Type"] for one in QUEUE["ComputeEnvironmentOrder"]]
    assert kinds == ["FARGATE_SPOT", "FARGATE"]
    for name, queue in resources("AWS::Batch::JobQueue").items():
        on_fargate = {one["ComputeEnvironment"]["Ref"] in ENVIRONMENTS for one in queue["ComputeEnvironmentOrder"]}
        assert on_fargate == {name == "FargateQueue"}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_fargate_environment_has_no_ec2_settings(name: str) -> None:
    assert not REFUSED_BY_ENVIRONMENTS & set(ENVIRONMENTS[name])
    assert 1 <= len(ENVIRONMENTS[name]["Subnets"]) <= 16
    assert ENVIRONMENTS[name]["SecurityGroupIds"]


@pytest.mark.parametrize("name", JOBS)
def test_a_fargate_job_has_the_required_and_no_refused_settings(name: str) -> None:
    container = JOBS[name]["ContainerProperties"]
    assert (JOBS[name]["Type"], JOBS[name]["PlatformCapabilities"]) == ("container", ["FARGATE"])
    assert container["ExecutionRoleArn"] == {"Fn::GetAtt": ["FargateExecutionRole", "Arn"]}
    assert container["FargatePlatformConfiguration"]["PlatformVersion"] in ("LATEST", "1.4.0", "1.3.0")
    assert container["RuntimePlatform"] == {"OperatingSystemFamily": "LINUX", "CpuArchitecture": "X86_64"}
    assert container["LogConfiguration"]["LogDriver"] in ("awslogs", "splunk")
    assert not REFUSED_BY_JOBS & set(container)
    assert not {"Devices", "MaxSwap", "SharedMemorySize", "Swappiness", "Tmpfs"} & set(
        container.get("LinuxParameters", {})
    )
    if "EphemeralStorage" in container:
        assert 21 <= container["EphemeralStorage"]["SizeInGiB"] <= 200


@pytest.mark.parametrize("name", JOBS)
def test_vcpus_and_memory_are_a_valid_fargate_pair_within_the_environment(name: str) -> None:
    needs = _needs(JOBS[name])
    assert set(needs) == {"VCPU", "MEMORY"}  # no GPU
    assert int(needs["MEMORY"]) / 1024 in MEMORY_GB[needs["VCPU"]]
    assert float(needs["VCPU"]) <= template()["Parameters"]["MaxVcpus"]["MinValue"]


def test_the_estimate_uses_the_price_of_the_fargate_job() -> None:
    needs = _needs(JOBS["SmallJob"])
    price = float(needs["VCPU"]) * 0.04048 + int(needs["MEMORY"]) / 1024 * 0.004445
    assert DOLLARS_AN_HOUR["fargate"] == pytest.approx(price, rel=0.01)


@pytest.mark.parametrize("name", JOBS)
def test_the_image_is_pulled_without_a_nat_gateway(name: str) -> None:
    """Without a NAT gateway a task needs a public address; image layers come through the S3 gateway endpoint."""
    assert JOBS[name]["ContainerProperties"]["NetworkConfiguration"] == {"AssignPublicIp": "ENABLED"}
    routes = [one["Properties"] for one in template()["Resources"].values() if one["Type"] == "AWS::EC2::Route"]
    (public,) = [route for route in routes if "GatewayId" in route]
    associated = resources("AWS::EC2::SubnetRouteTableAssociation").values()
    open_subnets = {one["SubnetId"]["Ref"] for one in associated if one["RouteTableId"] == public["RouteTableId"]}
    for environment in ENVIRONMENTS.values():
        assert {subnet["Ref"] for subnet in environment["Subnets"]} <= open_subnets


def test_the_execution_role_may_pull_images_and_the_job_has_the_job_role() -> None:
    role = resources("AWS::IAM::Role")["FargateExecutionRole"]
    (policy,) = role["ManagedPolicyArns"]
    assert policy["Fn::Sub"].endswith(":iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy")
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert JOBS["SmallJob"]["ContainerProperties"]["JobRoleArn"] == {"Fn::GetAtt": ["JobRole", "Arn"]}


def test_user_code_does_not_run_on_fargate() -> None:
    code = resources("AWS::Batch::JobDefinition")["CodeTrainJob"]
    assert code["PlatformCapabilities"] == ["EC2"]
    for job in JOBS.values():
        variables = {variable["Name"] for variable in job["ContainerProperties"]["Environment"]}
        assert not variables & {"MODELDROP_CODE"}


@pytest.mark.parametrize("name", JOBS)
def test_the_command_runs_an_existing_module(name: str) -> None:
    python, _, module, *_ = JOBS[name]["ContainerProperties"]["Command"]
    assert python == "python"
    assert importlib.util.find_spec(module) is not None
