"""Build the functions and the job images, deploy the stack, and push the images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pipeline.contracts.account import StackState
from pipeline.contracts.errors import ConfigurationError
from pipeline.deployment.checks import DeployTarget
from pipeline.deployment.commands import Commands

__all__ = ["DeployOptions", "DeployResult", "deploy"]

_TAGS = {"cpu": "latest", "gpu": "gpu"}  # tags of the images in the job definitions
_DEPLOYED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"})

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeployOptions:
    """Options of a deployment.

    Attributes:
        overrides: Parameters to set; the others keep their value or default.
        profile: AWS profile; None for the default one.
        images: Whether to build and push the job images.
    """

    overrides: Mapping[str, str] = field(default_factory=dict)
    profile: str | None = None
    images: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class DeployResult:
    """Result of a deployment.

    Attributes:
        outputs: Outputs of the stack.
        images: Images that were pushed.
    """

    outputs: Mapping[str, str]
    images: tuple[str, ...]


def deploy(target: DeployTarget, options: DeployOptions, *, commands: Commands, report: Report) -> DeployResult:
    """Build the functions and images, deploy the stack, and push the images to its repository.

    Args:
        target: Destination, already checked.
        options: Options of the deployment.
        commands: Runs docker and sam.
        report: Called with each line of progress.

    Raises:
        ConfigurationError: A program or CloudFormation failed; the message says which one and why.
    """
    kinds = _image_kinds(target) if options.images else []
    report("building the functions and layers")
    _run(commands, "tools/sam_build.sh", report=report)
    for kind in kinds:
        report(f"building the {kind} image")
        _run(commands, "tools/make_image.sh", kind, report=report)
    report(f"deploying the stack '{target.name}' to {target.account.region}")
    outputs = _deploy_stack(target, options, commands, report)
    repository = outputs["ImageRepository"]
    if kinds:
        _log_in(target, repository, commands)
    images = tuple(_push(commands, f"modeldrop-jobs:{_TAGS[kind]}", repository, report) for kind in kinds)
    return DeployResult(outputs=outputs, images=images)


def _image_kinds(target: DeployTarget) -> list[str]:
    """Return the images that the stack takes from its own repository: those without a URI parameter."""
    kinds = [] if target.parameters.get("ImageUri") else ["cpu"]
    return [*kinds, "gpu"] if target.has_gpu and not target.parameters.get("GpuImageUri") else kinds


def _deploy_stack(
    target: DeployTarget, options: DeployOptions, commands: Commands, report: Report
) -> Mapping[str, str]:
    command = ["sam", "deploy", "--stack-name", target.name, "--region", target.account.region, "--resolve-s3"]
    command += ["--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-fail-on-empty-changeset"]
    command += ["--profile", options.profile] if options.profile else []
    if options.overrides:
        command += ["--parameter-overrides", *(f'{name}="{value}"' for name, value in options.overrides.items())]
    finished = commands.run(*command, environment={"SAM_CLI_TELEMETRY": "0"}, report=report)
    state = target.stack().state()
    if finished.code != 0 or state is None or state.status not in _DEPLOYED:
        raise ConfigurationError(_describe_failure(target, state, finished.last_line))
    return state.outputs


def _describe_failure(target: DeployTarget, state: StackState | None, last_line: str) -> str:
    if state is None:
        return f"'sam deploy' did not create the stack '{target.name}': {last_line}"
    reason = target.stack().first_failure() or last_line
    hint = ""
    if state.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"):
        hint = f"; 'modeldrop --stack {target.name} destroy' removes it, so that it can be deployed again"
    return f"the stack '{target.name}' is {state.status}: {reason}{hint}"


def _log_in(target: DeployTarget, repository: str, commands: Commands) -> None:
    host = repository.partition("/")[0]
    password = target.account.registry_password()
    _run(commands, "docker", "login", "--username", "AWS", "--password-stdin", host, stdin=password)


def _push(commands: Commands, image: str, repository: str, report: Report) -> str:
    pushed = f"{repository}:{image.partition(':')[2]}"
    report(f"pushing {pushed}")
    _run(commands, "docker", "tag", image, pushed)
    _run(commands, "docker", "push", "--quiet", pushed)
    return pushed


def _run(commands: Commands, *command: str, stdin: str | None = None, report: Report | None = None) -> None:
    finished = commands.run(*command, stdin=stdin, report=report)
    if finished.code != 0:
        name = " ".join(command[:2]) if command[0] == "docker" else command[0]
        raise ConfigurationError(f"'{name}' failed with exit code {finished.code}: {finished.last_line}")
