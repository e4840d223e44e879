"""The session of a command: the chosen stack, its connection and credentials."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import typer

from pipeline.contracts.errors import NotRunningError, UnauthenticatedError
from pipeline.contracts.stack import DEFAULT_TENANT, StackStatus

if TYPE_CHECKING:
    import httpx

    from pipeline.cli.client.key_api import KeyApi
    from pipeline.contracts.account import Account, DeployedStack, StoredData
    from pipeline.contracts.ports import Executions, ObjectStore
    from pipeline.deployment.commands import Commands
    from pipeline.intake.dead_letters import DeadLetters
    from pipeline.intake.run_log import RunLog
    from pipeline.registry.api_keys import ApiKeys
    from pipeline.registry.audit import AuditLog
    from pipeline.registry.model_registry import ModelRegistry
    from pipeline.registry.tenants import TenantAdministration
    from pipeline.serving.loaded_model import InferenceSession
    from pipeline.serving.model_loader import ModelLoader

__all__ = [
    "BY_KEY",
    "Choice",
    "Connection",
    "Control",
    "Dependencies",
    "DeploymentSite",
    "Session",
    "connection_of",
    "session_of",
]

# commands that need only an address and a key
BY_KEY = "drop, watch, runs, cancel, predict, models, card, history, promote and rollback"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The global options. Without ``stack``, commands use the embedded cloud in ``home``.

    With only ``api_url``, the commands of BY_KEY use the API.
    """

    stack: str | None = None
    profile: str | None = None
    region: str | None = None
    api_key: str | None = None
    api_url: str | None = None
    home: Path | None = None


class Control(Protocol):
    """Control of the embedded cloud (pipeline.local.control)."""

    def up(
        self,
        *,
        home: Path | None,
        bind: str,
        foreground: bool,
        parameters: Mapping[str, str] | None = None,
        report: Callable[[str], None],
    ) -> StackStatus:
        """Start the embedded cloud, and deploy the template to it.

        Args:
            home: Data folder of the embedded cloud; None means the default.
            bind: Address to listen on.
            foreground: Whether to return only after the embedded cloud has stopped.
            parameters: Parameters of the template.
            report: Called with a description of each step.
        """
        ...

    def down(self, *, home: Path | None, wipe: bool) -> bool:
        """Stop the embedded cloud; return False if it was not running."""
        ...

    def status(self, *, home: Path | None) -> StackStatus:
        """Return the addresses of the embedded cloud, and whether it runs."""
        ...


class LogLine(Protocol):
    """A line of a log (pipeline.cloud.cloud_watch_logs.LogEvent)."""

    @property
    def timestamp(self) -> datetime:
        """Return the time of the line, UTC."""
        ...

    @property
    def group(self) -> str:
        """Return the name of the line's log group."""
        ...

    @property
    def message(self) -> str:
        """Return the text of the line."""
        ...


class Logs(Protocol):
    """Logs of a stack's functions and jobs."""

    def lines(self, run: str, *, since: datetime | None = None) -> Sequence[LogLine]:
        """Return the lines that name ``run``, oldest first."""
        ...


def _no_model_loader(make_session: Callable[[bytes], InferenceSession]) -> ModelLoader:
    raise NotRunningError("this connection loads no models")


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """Clients of a stack that is reachable."""

    status: StackStatus
    uploads: ObjectStore
    artifacts: ObjectStore
    runs: RunLog
    registry: ModelRegistry
    keys: ApiKeys
    tenants: TenantAdministration
    audit: AuditLog
    executions: Executions
    logs: Logs
    dead_letters: Callable[[], tuple[DeadLetters, ...]] = tuple
    model_loader: Callable[[Callable[[bytes], InferenceSession]], ModelLoader] = _no_model_loader

    def tenant(self, requested: str | None) -> str:
        """Return the requested tenant, or else the stack's own."""
        return requested or self.status.tenant or DEFAULT_TENANT


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentSite:
    """Source and destination of a deployment; ``folder`` is the clone of the repository."""

    name: str
    account: Account
    stack: Callable[[], DeployedStack]
    data: StoredData
    commands: Commands
    folder: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependencies:
    """Dependencies of the commands, which tests replace."""

    control: Control
    connect: Callable[[Choice, StackStatus | None], Connection]
    site: Callable[[Choice], DeploymentSite]
    transport: httpx.BaseTransport | None = None
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One call of the command; ``command`` is the call as typed."""

    choice: Choice
    dependencies: Dependencies
    command: str = ""

    def status(self) -> StackStatus:
        """Return the addresses of the chosen stack; an embedded cloud may not be running."""
        if self.choice.stack:
            return self.dependencies.connect(self.choice, None).status
        return self.dependencies.control.status(home=self.choice.home)

    def connection(self) -> Connection:
        """Connect to the chosen stack.

        Raises:
            NotRunningError: The embedded cloud is not running.
            NotFoundError: There is no such stack on AWS.
        """
        if self.choice.stack:
            return self.dependencies.connect(self.choice, None)
        status = self.dependencies.control.status(home=self.choice.home)
        if not status.running:
            if self.choice.api_url is not None:
                raise NotRunningError(
                    f"'{self.command or 'modeldrop'}' needs the embedded cloud ('modeldrop up') or --stack: --api-url "
                    f"(or MODELDROP_API_URL) serves {BY_KEY} alone"
                )
            raise NotRunningError(
                "nothing is running: 'modeldrop up' starts the embedded cloud, --stack names one on AWS"
            )
        return self.dependencies.connect(self.choice, status)

    def chosen_api(self) -> tuple[str, str] | None:
        """Return the API's address and key from the options; None without an address or with ``--stack``.

        Raises:
            UnauthenticatedError: There is no API key.
        """
        if self.choice.api_url is None or self.choice.stack is not None:
            return None
        if not self.choice.api_key:
            raise UnauthenticatedError("--api-url (or MODELDROP_API_URL) needs --api-key or --token")
        return self.choice.api_url, self.choice.api_key

    def key_api(self) -> KeyApi | None:
        """Return the API at the given address; None without an address or with ``--stack``.

        Raises:
            UnauthenticatedError: There is no API key.
        """
        if (address := self.chosen_api()) is None:
            return None
        from pipeline.cli.client.key_api import KeyApi

        return KeyApi(*address, transport=self.dependencies.transport)

    def api_key(self, connection: Connection) -> str:
        """Return the given API key, or the stack's.

        Raises:
            UnauthenticatedError: No key was given, and the stack has none.
        """
        key = self.choice.api_key or connection.status.api_key
        if not key:
            raise UnauthenticatedError(
                "no API key: give --api-key or MODELDROP_API_KEY; 'modeldrop keys create TENANT' makes one"
            )
        return key


def session_of(ctx: typer.Context) -> Session:
    """Return the session of a command's context."""
    session = ctx.find_object(Session)
    assert session is not None, "the root callback makes the session"
    return replace(session, command=ctx.command_path)


def connection_of(ctx: typer.Context, tenant: str | None) -> tuple[Connection, str]:
    """Connect to the stack of a command; return the connection, and the requested tenant or the stack's own.

    Raises:
        NotRunningError: The embedded cloud is not running.
        NotFoundError: There is no such stack on AWS.
    """
    connection = session_of(ctx).connection()
    return connection, connection.tenant(tenant)
