"""Check the local programs and the AWS account before a deployment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.contracts.account import Account, DeployedStack, StackState
from pipeline.contracts.errors import ModeldropError
from pipeline.deployment.check import PreflightCheck, failed, ok, warning
from pipeline.deployment.commands import Commands
from pipeline.deployment.instance_types import check_instance_types
from pipeline.deployment.quotas import check_concurrency, check_vcpus

__all__ = ["DeployTarget", "check_account", "check_tools"]

_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")


@dataclass(frozen=True, kw_only=True, slots=True)
class DeployTarget:
    """Destination of a deployment.

    Attributes:
        name: Name of the stack.
        account: Account and region.
        stack: Returns the stack; raises ConfigurationError without a region.
        parameters: Parameters that the stack will have.
    """

    name: str
    account: Account
    stack: Callable[[], DeployedStack]
    parameters: Mapping[str, str]

    @property
    def has_gpu(self) -> bool:
        """Return whether the stack has GPU machines and therefore needs the GPU image."""
        return self.parameters.get("Gpu") != "none"


def check_tools(commands: Commands, *, images: bool) -> Iterator[PreflightCheck]:
    """Check the programs that build and deploy.

    Args:
        commands: Runs programs.
        images: Whether to build container images, which needs Docker.

    Yields:
        One result per program.
    """
    if images:
        yield _check_docker(commands)
    yield _check_sam(commands)
    python = commands.run("tools/python312.sh")
    if python.code == 0:
        yield ok("python 3.12", python.last_line)
    else:
        fix = "install Python 3.12 with pip, or set PYTHON312 to its path"
        yield failed("python 3.12", "'sam build' finds no Python 3.12 with pip", fix=fix)


def check_region(account: Account) -> PreflightCheck:
    """Check that a region is configured and exists."""
    region = account.region
    if not region:
        fix = "set --region, AWS_DEFAULT_REGION, or the profile's region"
        return failed("region", "no AWS region is configured", fix=fix)
    if region not in account.regions():
        return failed("region", f"there is no AWS region '{region}'", fix="set --region to a region such as eu-west-1")
    return ok("region", region)


def check_credentials(account: Account) -> PreflightCheck:
    """Check that AWS accepts the credentials, and report whose they are."""
    try:
        identity = account.identity()
    except ModeldropError as error:
        fix = "run 'aws configure' or 'aws sso login', or choose a profile with --profile"
        return failed("credentials", error.message, fix=fix)
    return ok("credentials", f"account {identity.account}, {identity.arn}")


def check_account(target: DeployTarget) -> Iterator[PreflightCheck]:
    """Check region, credentials, stack state, instance types and quotas.

    Args:
        target: Destination of the deployment.

    Yields:
        Results. Without a region or credentials the later checks are skipped. A check that the credentials do not
            permit is a warning.
    """
    for check in (check_region, check_credentials):
        result = check(target.account)
        yield result
        if result.status == "failed":
            return
    groups: dict[str, Callable[[], list[PreflightCheck]]] = {
        "stack": lambda: [_check_stack(target.name, target.stack().state())],
        "instance types": lambda: check_instance_types(target.account, target.parameters),
        "vCPU quotas": lambda: list(check_vcpus(target.account, target.parameters)),
        "concurrency": lambda: [check_concurrency(target.account, target.parameters)],
    }
    for name, group in groups.items():
        try:
            yield from group()
        except ModeldropError as error:
            yield warning(name, f"not checked: {error.message}", fix="allow the call, or check in the AWS console")


def _check_docker(commands: Commands) -> PreflightCheck:
    if commands.find("docker") is None:
        fix = "install Docker Engine or Docker Desktop, or use --no-images"
        return failed("docker", "there is no 'docker' command", fix=fix)
    finished = commands.run("docker", "version", "--format", "{{.Server.Version}}")
    if finished.code != 0:
        fix = "start Docker (and check DOCKER_HOST), or use --no-images"
        return failed("docker", "no Docker engine answers", fix=fix)
    return ok("docker", f"engine {finished.last_line}")


def _check_sam(commands: Commands) -> PreflightCheck:
    if commands.find("sam") is None:
        fix = "install the AWS SAM CLI: 'pip install aws-sam-cli' in a separate environment"
        return failed("sam", "there is no 'sam' command", fix=fix)
    finished = commands.run("sam", "--version")
    if finished.code != 0:
        return failed("sam", f"'sam --version' failed: {finished.last_line}", fix="install the AWS SAM CLI again")
    return ok("sam", finished.last_line)


def _check_stack(name: str, state: StackState | None) -> PreflightCheck:
    if not _STACK_NAME.fullmatch(name):
        text = f"'{name}' is not a stack name: expected a letter, then at most 99 letters, digits and hyphens"
        return failed("stack", text, fix="choose another with --stack")
    if state is None:
        return ok("stack", f"'{name}' will be created")
    text = f"'{name}' is {state.status}"
    remove = f"remove it with 'modeldrop --stack {name} destroy', then deploy again"
    fixes = {
        "ROLLBACK_COMPLETE": f"its first deploy failed: {remove}",
        "ROLLBACK_FAILED": remove,
        "CREATE_FAILED": remove,
        "DELETE_FAILED": f"'modeldrop --stack {name} destroy' retries and reports what prevents it",
        "UPDATE_ROLLBACK_FAILED": f"'aws cloudformation continue-update-rollback --stack-name {name}', then try again",
    }
    if state.status in fixes:
        return failed("stack", text, fix=fixes[state.status])
    if state.status.endswith("_IN_PROGRESS") and state.status != "REVIEW_IN_PROGRESS":
        return failed("stack", text, fix="wait for this operation to end")
    return ok("stack", f"{text} and will be updated")
