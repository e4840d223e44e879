"""The checks before a deploy; each failed check says how to fix it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts.account import StackState
from pipeline.contracts.errors import ConfigurationError
from pipeline.deployment.check import PreflightCheck
from pipeline.deployment.checks import DeployTarget, check_account, check_tools
from pipeline.deployment.commands import Finished
from pipeline.deployment.template import read_template
from tests.fakes.account import STACK_ID, FakeAccount, FakeStack, RecordedCommands

TEMPLATE = read_template(Path(__file__).parents[3] / "template.yaml")
DEFAULTS = {name: parameter.default for name, parameter in TEMPLATE.parameters.items()}
SPOT, GPU_SPOT, GPU_ON_DEMAND, CONCURRENCY = "L-34B43A08", "L-3819A6DF", "L-DB2E81BA", "L-B99A9384"
DENIED = ConfigurationError("the credentials may not call GetServiceQuota on Service Quotas (AccessDenied)")


def _target(
    account: FakeAccount | None = None,
    *,
    name: str = "modeldrop",
    status: str | None = None,
    parameters: Mapping[str, str] | None = None,
) -> DeployTarget:
    stack = FakeStack(current=StackState(id=STACK_ID, status=status) if status else None)
    return DeployTarget(
        name=name,
        account=account or FakeAccount(),
        stack=lambda: stack,
        parameters={**DEFAULTS, **(parameters or {})},
    )


def _account_checks(*arguments: Any, **fields: Any) -> dict[str, list[PreflightCheck]]:
    checks: dict[str, list[PreflightCheck]] = {}
    for check in check_account(_target(*arguments, **fields)):
        checks.setdefault(check.name, []).append(check)
    return checks


def _failed(checks: Mapping[str, list[PreflightCheck]]) -> list[PreflightCheck]:
    return [check for group in checks.values() for check in group if check.status == "failed"]


def test_a_complete_account_passes_all_checks() -> None:
    checks = _account_checks()
    assert list(checks) == ["region", "credentials", "stack", "instance types", "vCPU quotas", "concurrency"]
    assert {check.status for group in checks.values() for check in group} == {"ok"}
    assert "123456789012" in checks["credentials"][0].text


@pytest.mark.parametrize(("region", "fact"), [("", "no AWS region"), ("eu-west-9", "no AWS region 'eu-west-9'")])
def test_nothing_else_is_checked_without_a_valid_region(region: str, fact: str) -> None:
    checks = _account_checks(FakeAccount(region=region))
    assert list(checks) == ["region"]
    (check,) = _failed(checks)
    assert fact in check.text
    assert "--region" in str(check.fix)


def test_missing_credentials_are_reported_with_the_ways_to_get_them() -> None:
    error = ConfigurationError("there are no valid AWS credentials to speak to AWS (sts) with")
    checks = _account_checks(FakeAccount(error=error))
    assert list(checks) == ["region", "credentials"]
    assert "--profile" in str(_failed(checks)[0].fix)


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        ("ROLLBACK_COMPLETE", "modeldrop --stack modeldrop destroy"),
        ("ROLLBACK_FAILED", "modeldrop --stack modeldrop destroy"),
        ("DELETE_FAILED", "modeldrop --stack modeldrop destroy"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("UPDATE_IN_PROGRESS", "wait"),
        ("DELETE_IN_PROGRESS", "wait"),
    ],
)
def test_a_stack_that_cannot_be_updated_is_refused_with_a_fix(status: str, fix: str) -> None:
    (check,) = _failed(_account_checks(status=status))
    assert status in check.text
    assert fix in str(check.fix)


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_an_existing_stack_is_updated(status: str) -> None:
    assert "will be updated" in _account_checks(status=status)["stack"][0].text


@pytest.mark.parametrize("name", ["1st", "my_stack", "x" * 101])
def test_an_invalid_stack_name_is_refused(name: str) -> None:
    (check,) = _failed(_account_checks(name=name))
    assert "letters, digits and hyphens" in check.text


def test_an_instance_type_that_the_region_lacks_is_refused() -> None:
    account = FakeAccount(types={"g4dn.xlarge": frozenset({"eu-west-1a"})})
    (check,) = _failed(_account_checks(account))
    assert "g4dn.2xlarge" in check.text
    assert "Gpu=none" in str(check.fix)
    assert not _failed(_account_checks(account, parameters={"Gpu": "none"}))


def test_an_instance_family_is_offered_if_any_of_its_sizes_is() -> None:
    assert not _failed(_account_checks(parameters={"CpuInstanceTypes": "c6i", "GpuInstanceTypes": "g4dn"}))
    (check,) = _failed(_account_checks(parameters={"CpuInstanceTypes": "c6i,m9z"}))
    assert "m9z" in check.text
    assert "c6i" not in check.text


def test_instance_types_outside_the_zones_of_the_subnets_are_a_warning() -> None:
    account = FakeAccount(types={kind: frozenset({"eu-west-1c"}) for kind in ("g4dn.xlarge", "g4dn.2xlarge")})
    (check,) = [check for check in _account_checks(account)["instance types"] if check.status == "warning"]
    assert "eu-west-1a, eu-west-1b" in check.text


def test_a_gpu_quota_of_zero_is_a_warning_with_the_quota_request() -> None:
    checks = _account_checks(FakeAccount(quotas={GPU_SPOT: 0}))
    (check,) = [check for check in checks["vCPU quotas"] if check.status == "warning"]
    assert "CPU queue" in check.text
    assert GPU_SPOT in str(check.fix)
    assert "Gpu=none" in str(check.fix)


def test_a_small_fargate_quota_is_a_warning() -> None:
    checks = _account_checks(FakeAccount(quotas={"L-36FBB829": 2}))["vCPU quotas"]
    (check,) = [check for check in checks if check.status == "warning"]
    assert "small plans" in check.text
    assert "--service-code fargate --quota-code L-36FBB829" in str(check.fix)


@pytest.mark.parametrize(("gpu", "codes"), [("none", set()), ("spot", {GPU_SPOT}), ("on-demand", {GPU_ON_DEMAND})])
def test_only_the_quotas_of_existing_queues_are_checked(gpu: str, codes: set[str]) -> None:
    account = FakeAccount(quotas={SPOT: 3, GPU_SPOT: 0, GPU_ON_DEMAND: 0})
    checks = _account_checks(account, parameters={"Gpu": gpu})["vCPU quotas"]
    reported = {code for code in (SPOT, GPU_SPOT, GPU_ON_DEMAND) for check in checks if code in str(check.fix)}
    assert reported == {SPOT, *codes}


def test_reserved_concurrency_above_the_lambda_quota_is_refused() -> None:
    reserve = {"PredictConcurrency": "5"}
    (check,) = _failed(_account_checks(FakeAccount(quotas={CONCURRENCY: 10}), parameters=reserve))
    assert "10 concurrent executions, 5 of them reserved" in check.text
    assert not _failed(_account_checks(FakeAccount(quotas={CONCURRENCY: 1_000}), parameters=reserve))
    (warned,) = _account_checks(FakeAccount(quotas={CONCURRENCY: 10}))["concurrency"]
    assert warned.status == "warning"


def test_a_quota_that_the_credentials_may_not_read_is_a_warning() -> None:
    account = FakeAccount(quotas={SPOT: DENIED})  # type: ignore[dict-item]  # raised instead of returned
    checks = _account_checks(account)
    assert (checks["vCPU quotas"][0].status, checks["concurrency"][0].status) == ("warning", "ok")
    assert "GetServiceQuota" in checks["vCPU quotas"][0].text


def test_installed_programs_pass_the_checks() -> None:
    checks = list(check_tools(RecordedCommands(), images=True))
    assert [(check.name, check.status) for check in checks] == [("docker", "ok"), ("sam", "ok"), ("python 3.12", "ok")]


@pytest.mark.parametrize(
    ("commands", "name", "fact", "fix"),
    [
        (RecordedCommands(missing=frozenset({"docker"})), "docker", "no 'docker' command", "--no-images"),
        (
            RecordedCommands({"docker": Finished(code=1, output="Cannot connect")}),
            "docker",
            "no Docker engine",
            "start Docker",
        ),
        (RecordedCommands(missing=frozenset({"sam"})), "sam", "no 'sam' command", "aws-sam-cli"),
        (RecordedCommands({"tools/python312.sh": Finished(code=1, output="x")}), "python 3.12", "pip", "PYTHON312"),
    ],
)
def test_a_missing_program_is_named_with_a_fix(commands: RecordedCommands, name: str, fact: str, fix: str) -> None:
    (check,) = [check for check in check_tools(commands, images=True) if check.status == "failed"]
    assert check.name == name
    assert fact in check.text
    assert fix in str(check.fix)


def test_docker_is_not_needed_without_images() -> None:
    checks = check_tools(RecordedCommands(missing=frozenset({"docker"})), images=False)
    assert {check.status for check in checks} == {"ok"}
