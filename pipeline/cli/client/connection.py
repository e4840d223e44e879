"""Connect commands to an embedded cloud or a stack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.bootstrap import account_access, command_settings, operator
from pipeline.cli.client.session import Choice, Connection, Dependencies, DeploymentSite, Session
from pipeline.contracts.errors import NotFoundError, NotRunningError
from pipeline.contracts.stack import DEFAULT_STACK, DEFAULT_TENANT, StackStatus
from pipeline.deployment.commands import Programs
from pipeline.local import control
from pipeline.local.processes import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["real_session"]

_CLONE = Path(__file__).resolve().parents[2]


def real_session(choice: Choice) -> Session:
    """Make the session of the command; the environment supplies what the options leave out."""
    settings = command_settings()
    completed = replace(
        choice,
        api_key=choice.api_key or settings.token or settings.api_key,
        api_url=choice.api_url or settings.api_url,
        home=choice.home or settings.home,
    )
    return Session(choice=completed, dependencies=Dependencies(control=control, connect=_connect, site=_site))


def _connect(choice: Choice, embedded: StackStatus | None) -> Connection:
    """Connect to an embedded cloud by its endpoint, with any credentials, or to AWS with a profile."""
    if embedded is None:
        assert choice.stack is not None
        try:
            services = operator(stack=choice.stack, region=choice.region, profile=choice.profile)
        except NotFoundError as error:
            raise NotRunningError(error.message) from error
    else:
        services = operator(endpoint_url=embedded.endpoint_url, region=embedded.region, credentials=CREDENTIALS)
    adapters = services._asdict()  # the names are those of Connection's fields
    outputs = adapters.pop("outputs")
    return Connection(status=embedded or _aws_status(outputs), **adapters)


def _site(choice: Choice) -> DeploymentSite:
    name = choice.stack or DEFAULT_STACK
    access = account_access(stack=name, region=choice.region, profile=choice.profile)
    return DeploymentSite(
        name=name,
        account=access.account,
        stack=access.stack,
        data=access.data,
        commands=Programs(_CLONE, access.environment),
        folder=_CLONE,
    )


def _aws_status(outputs: Mapping[str, str]) -> StackStatus:
    return StackStatus(
        running=True,
        embedded=False,
        region=outputs["StateMachineArn"].split(":")[3],
        uploads_bucket=outputs["UploadsBucket"],
        artifacts_bucket=outputs["ArtifactsBucket"],
        api_url=outputs["ApiUrl"],
        tenant=DEFAULT_TENANT,
    )
