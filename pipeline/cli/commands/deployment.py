"""deploy, destroy: a stack on AWS."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.client.session import DeploymentSite, session_of
from pipeline.cli.commands.options import JsonOption, YesOption
from pipeline.cli.terminal.console import out, print_json
from pipeline.cli.terminal.exit_codes import ExitCode, StoppedError, message
from pipeline.cli.terminal.help_pages import Command
from pipeline.contracts.errors import ConfigurationError, ModeldropError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.deployment.check import PreflightCheck
    from pipeline.deployment.checks import DeployTarget
    from pipeline.deployment.deploy import DeployResult
    from pipeline.deployment.destroy import Removal

__all__ = ["NAMES", "register"]

NAMES = ("deploy", "destroy", "undeploy")  # commands that take --region and --profile without --stack
_DEPLOY = """
Examples:
  modeldrop --region eu-west-1 deploy --check-only  # what is missing
  modeldrop --region eu-west-1 deploy
  modeldrop --stack test --region eu-west-1 deploy Gpu=none MaxVcpus=8 --yes

NAME is a parameter of template.yaml (see docs/deploy.md). Needs Docker, the AWS SAM CLI and Python 3.12.

Exit code 1 if a check or the deployment failed."""
_DESTROY = """
Examples:
  modeldrop --region eu-west-1 destroy              # asks for its name
  modeldrop --stack test --region eu-west-1 destroy --yes
  modeldrop --region eu-west-1 destroy --keep-data  # deletes no data"""
_MARKS = {"ok": "green", "warning": "yellow", "failed": "red"}


def register(app: typer.Typer) -> None:
    """Add ``modeldrop deploy`` and ``modeldrop destroy``."""
    panel = "A stack on AWS"
    app.command(cls=Command, epilog=_DEPLOY, rich_help_panel=panel)(deploy)
    app.command(cls=Command, epilog=_DESTROY, rich_help_panel=panel)(destroy)


def deploy(
    ctx: typer.Context,
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE...", help="Parameters of the template.")
    ] = None,
    *,
    check_only: Annotated[bool, typer.Option("--check-only", help="Only check what the deployment needs.")] = False,
    images: Annotated[bool, typer.Option("--images/--no-images", help="Build and push the jobs' images.")] = True,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Deploy a stack to AWS: check, build, deploy, push the jobs' images."""
    from pipeline.deployment.deploy import DeployOptions, deploy
    from pipeline.deployment.template import parse_overrides, read_template

    session = session_of(ctx)
    site = session.dependencies.site(session.choice)
    template = read_template(site.folder / "template.yaml")
    overrides = parse_overrides(parameters or [], template)
    defaults = {name: parameter.default for name, parameter in template.parameters.items()}
    target = _target(site, defaults, overrides)
    checks = _show_checks(_checks(site, target, images=images), quiet=json)
    document: dict[str, Any] = {"stack": site.name, "checks": [check.to_dict() for check in checks]}
    failures = [check for check in checks if check.status == "failed"]
    deployed = None
    if not failures and not check_only:
        _confirm(f"Deploy the stack '{site.name}' to {target.account.region}?", yes=yes)
        options = DeployOptions(overrides=overrides, profile=session.choice.profile, images=images)
        deployed = deploy(target, options, commands=site.commands, report=_report)
    remaining = _remaining(site, checks, deployed)
    if json:
        outputs = dict(deployed.outputs) if deployed else {}
        document |= {"deployed": deployed is not None, "outputs": outputs, "remaining": remaining}
        print_json(document | {"images": list(deployed.images) if deployed else []})
    elif deployed or not failures:
        message("deployed" if deployed else "nothing prevents a deploy", style="green")
        for step in remaining:
            message(f"  {step}")
    if failures:
        message(f"{len(failures)} of {len(checks)} checks failed: nothing was deployed", style="red")
        raise typer.Exit(ExitCode.FAILED)


def destroy(
    ctx: typer.Context,
    *,
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Keep the buckets, the tables and the user pool.")
    ] = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Delete a stack on AWS and all data in it."""
    from pipeline.deployment.destroy import destroy, find_removal

    session = session_of(ctx)
    site = session.dependencies.site(session.choice)
    if not site.account.region:
        raise ConfigurationError("no AWS region is configured: --region or AWS_DEFAULT_REGION is expected")
    stack = site.stack()
    removal = find_removal(site.name, stack, keeps_data=keep_data)
    _describe(removal, site)
    _confirm_name(site.name, yes=yes)
    destroy(removal, stack=stack, data=site.data, report=_report, sleep=session.dependencies.sleep)
    message(f"the stack '{site.name}' is removed", style="green")
    if json:
        print_json({"stack": site.name, "removed": True, "kept": removal.kept})


def _target(site: DeploymentSite, defaults: dict[str, str], overrides: dict[str, str]) -> DeployTarget:
    """Return the stack to deploy; an update keeps the stack's current parameters."""
    from pipeline.deployment.checks import DeployTarget

    try:
        state = site.stack().state()
    except ModeldropError:  # no region or credentials: a check reports it
        state = None
    existing = {name: value for name, value in state.parameters.items() if name in defaults} if state else {}
    parameters = {**defaults, **existing, **overrides}
    return DeployTarget(name=site.name, account=site.account, stack=site.stack, parameters=parameters)


def _checks(site: DeploymentSite, target: DeployTarget, *, images: bool) -> Iterable[PreflightCheck]:
    from pipeline.deployment.checks import check_account, check_tools

    yield from check_tools(site.commands, images=images)
    yield from check_account(target)


def _show_checks(checks: Iterable[PreflightCheck], *, quiet: bool) -> list[PreflightCheck]:
    """Print each result as soon as it is known, since some checks take seconds."""

    shown = []
    for check in checks:
        shown.append(check)
        if not quiet:
            console = out()
            console.print(f"{check.status:8}", style=_MARKS[check.status], end="")
            console.print(f"{check.name}: {check.text}", markup=False, highlight=False, soft_wrap=True)
            if check.fix:
                console.print(f"        fix: {check.fix}", markup=False, highlight=False, soft_wrap=True)
    return shown


def _remaining(site: DeploymentSite, checks: list[PreflightCheck], deployed: DeployResult | None) -> list[str]:
    """Return the steps that a person still has to take."""
    steps = [f"{check.name}: {check.fix}" for check in checks if check.status == "warning" and check.fix]
    if deployed is None:
        return steps
    command = f"modeldrop --stack {site.name} --region {site.account.region}"
    if not deployed.images:
        steps.append(f"push the jobs' images to {deployed.outputs['ImageRepository']}: 'make image' builds them")
    return [*steps, f"'{command} keys create demo' makes an API key", f"'{command} drop FILE' trains a model"]


def _describe(removal: Removal, site: DeploymentSite) -> None:
    lines = [f"the stack '{removal.name}' in {site.account.region} is {removal.state.status}"]
    lines += [f"the bucket {name} with every version of its objects" for name in removal.buckets]
    lines += [f"the table {name}" for name in removal.tables]
    lines += [f"the user pool {name} with its users" for name in removal.user_pools]
    for line in lines:
        message(line)


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    _require_terminal()
    if not typer.confirm(question, err=True):
        raise StoppedError("nothing was deployed", "Declined", ExitCode.FAILED)


def _confirm_name(name: str, *, yes: bool) -> None:
    if yes:
        return
    _require_terminal()
    if typer.prompt(f"This cannot be undone. Type the stack's name ({name})", err=True).strip() != name:
        raise StoppedError("another name was typed: nothing was deleted", "Declined", ExitCode.FAILED)


def _require_terminal() -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("it asks for confirmation, and there is no terminal: --yes is expected")


def _report(line: str) -> None:
    message(line, style="dim")
