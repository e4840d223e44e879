"""Arguments and options that commands share, with shell completion from the stack that the command line names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.client.session import Choice, Session

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection

__all__ = [
    "FirstVersion",
    "JsonOption",
    "LimitOption",
    "ModelArgument",
    "RunArgument",
    "SecondVersion",
    "TenantFilter",
    "TenantOption",
    "VersionArgument",
    "VersionOrLive",
    "YesOption",
    "complete_models",
    "complete_runs_and_models",
    "parse_version",
]

_MAX_RUNS = 50


def complete_models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete models of the tenant."""
    return _complete(ctx, incomplete, lambda stack: (m.model for m in stack.registry.models(_tenant(ctx, stack))))


def _complete_versions(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete versions of the model that was typed before."""

    def versions(stack: Connection) -> Iterable[str]:
        summary = stack.registry.summary(_tenant(ctx, stack), str(ctx.params.get("model")))
        latest = summary.latest_version if summary else 0
        return (str(version) for version in range(latest, 0, -1))

    return _complete(ctx, incomplete, versions)


def complete_runs_and_models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete models, then the newest runs, whose names begin with their tenant."""
    runs = _complete(ctx, incomplete, lambda stack: (run.run for run in stack.runs.list(limit=_MAX_RUNS)))
    return [*complete_models(ctx, incomplete), *runs]


def parse_version(text: str) -> int:
    """Parse the number of a version.

    Raises:
        typer.BadParameter: The text is not a whole number from 1.
    """
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"'{text}' is not a version: a whole number such as 2 is expected")
    return int(text)


def _complete(ctx: typer.Context, incomplete: str, names: Callable[[Connection], Iterable[str]]) -> list[str]:
    try:
        return [name for name in names(_session(ctx).connection()) if name.startswith(incomplete)]
    except Exception:  # noqa: BLE001 - the outermost edge: a shell that completes shows no errors
        return []


def _session(ctx: typer.Context) -> Session:
    """Return the session of a completion, for which the root's callback does not run."""
    root = ctx.find_root()
    options: dict[str, Any] = {name: root.params.get(name) for name in ("stack", "profile", "region", "home")}
    choice = Choice(**options)
    if root.obj:
        session: Session = root.obj(choice)
        return session
    from pipeline.cli.client.connection import real_session

    return real_session(choice)


def _tenant(ctx: typer.Context, connection: Connection) -> str:
    return connection.tenant(ctx.params.get("tenant"))


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to stdout, for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
LimitOption = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="Show at most this many (default: all).")
]
TenantOption = Annotated[
    str | None, typer.Option("--tenant", metavar="TENANT", help="Tenant that owns it (default: the stack's).")
]
TenantFilter = Annotated[str | None, typer.Option("--tenant", metavar="TENANT", help="Show only this tenant's.")]
ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A model's name, as 'modeldrop models' lists it.", autocompletion=complete_models
    ),
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run's name, or a model's name for its newest run.",
        autocompletion=complete_runs_and_models,
    ),
]


def _version_argument(metavar: str, explanation: str) -> Any:
    return typer.Argument(metavar=metavar, parser=parse_version, help=explanation, autocompletion=_complete_versions)


VersionArgument = Annotated[int, _version_argument("VERSION", "1, 2, 3 ...")]
VersionOrLive = Annotated[int | None, _version_argument("VERSION", "Default: the live one, else the newest.")]
FirstVersion = Annotated[int, _version_argument("V1", "Number.")]
SecondVersion = Annotated[int, _version_argument("V2", "Number.")]
