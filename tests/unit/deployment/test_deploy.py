"""Build, deploy and push: the order, the parameters and the errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from pipeline.contracts.account import StackState
from pipeline.contracts.errors import ConfigurationError
from pipeline.deployment.checks import DeployTarget
from pipeline.deployment.commands import Finished
from pipeline.deployment.deploy import DeployOptions, DeployResult, deploy
from tests.fakes.account import OUTPUTS, STACK_ID, FakeAccount, FakeStack, RecordedCommands

REPOSITORY = OUTPUTS["ImageRepository"]
COMPLETE = StackState(id=STACK_ID, status="CREATE_COMPLETE", outputs=OUTPUTS)


class Site:
    """A target whose stack is there once `sam deploy` ran."""

    def __init__(self, parameters: Mapping[str, str], after: StackState | None = COMPLETE) -> None:
        self.stack, self.commands, self.after = FakeStack(), RecordedCommands(on_run=self._run), after
        self.reported: list[str] = []
        self.target = DeployTarget(
            name="modeldrop", account=FakeAccount(), stack=lambda: self.stack, parameters={"Gpu": "spot", **parameters}
        )

    def deploy(self, options: DeployOptions | None = None) -> DeployResult:
        options = options or DeployOptions()
        return deploy(self.target, options, commands=self.commands, report=self.reported.append)

    def _run(self, line: str) -> None:
        if line.startswith("sam deploy"):
            self.stack.current = self.after


def test_images_are_built_before_the_deploy_and_pushed_after_it() -> None:
    site = Site({})
    deployed = site.deploy()
    assert [" ".join(line.split()[:2]) for line in site.commands.lines] == [
        "tools/sam_build.sh",
        "tools/make_image.sh cpu",
        "tools/make_image.sh gpu",
        "sam deploy",
        "docker login",
        "docker tag",
        "docker push",
        "docker tag",
        "docker push",
    ]
    assert deployed == DeployResult(outputs=OUTPUTS, images=(f"{REPOSITORY}:latest", f"{REPOSITORY}:gpu"))


def test_the_registry_password_is_passed_through_stdin() -> None:
    site = Site({})
    site.deploy()
    (login,) = [line for line in site.commands.lines if line.startswith("docker login")]
    assert login == "docker login --username AWS --password-stdin 123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert site.commands.stdin == ["a password"]


@pytest.mark.parametrize(
    ("parameters", "tags"),
    [
        ({"Gpu": "none"}, ["latest"]),
        ({"ImageUri": "registry/image:1"}, ["gpu"]),
        ({"GpuImageUri": "registry/image:1"}, ["latest"]),
        ({"ImageUri": "registry/image:1", "Gpu": "none"}, []),
    ],
)
def test_only_images_that_the_stack_uses_from_its_repository_are_pushed(
    parameters: dict[str, str], tags: list[str]
) -> None:
    site = Site(parameters)
    assert site.deploy().images == tuple(f"{REPOSITORY}:{tag}" for tag in tags)
    assert bool(site.commands.stdin) == bool(tags)


def test_parameters_and_profile_are_passed_through_to_sam() -> None:
    site = Site({})
    site.deploy(DeployOptions(overrides={"Gpu": "none", "MaxVcpus": "8"}, profile="work", images=False))
    line = site.commands.lines[-1]
    assert line.startswith("sam deploy --stack-name modeldrop --region eu-west-1")
    assert line.endswith('--profile work --parameter-overrides Gpu="none" MaxVcpus="8"')
    assert "--no-confirm-changeset" in line


def test_a_rolled_back_stack_is_reported_with_the_first_reason_and_the_fix() -> None:
    site = Site({}, after=replace(COMPLETE, status="ROLLBACK_COMPLETE"))
    site.stack.failure = "GpuSpotMachines: Instance type can only be one of [...]"
    with pytest.raises(ConfigurationError) as failed:
        site.deploy()
    for fact in ("ROLLBACK_COMPLETE", "GpuSpotMachines", "modeldrop --stack modeldrop destroy"):
        assert fact in str(failed.value)
    assert not any(line.startswith("docker") for line in site.commands.lines)


def test_the_error_of_sam_is_quoted_when_there_is_no_stack() -> None:
    site = Site({}, after=None)
    site.commands.answers["sam deploy"] = Finished(code=1, output="...\nError: Unable to locate credentials\n")
    with pytest.raises(ConfigurationError, match="Unable to locate credentials"):
        site.deploy()


@pytest.mark.parametrize(
    ("beginning", "name"),
    [("tools/sam_build.sh", "sam_build"), ("tools/make_image.sh gpu", "make_image"), ("docker push", "docker push")],
)
def test_a_program_that_fails_is_named_with_its_last_line(beginning: str, name: str) -> None:
    site = Site({})
    site.commands.answers[beginning] = Finished(code=3, output="a line\nno space left on device\n\n")
    with pytest.raises(ConfigurationError, match=f"{name}.* 3: no space left on device"):
        site.deploy()
