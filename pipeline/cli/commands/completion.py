"""Shell completion: models, runs and versions of the stack that the command line names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.client.session import Choice, Session

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection

__all__ = ["complete_models", "complete_runs", "complete_runs_and_models", "complete_versions"]

_MAX_RUNS = 50


def complete_models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete models of the tenant."""
    return _complete(ctx, incomplete, lambda stack: (m.model for m in stack.registry.models(_tenant(ctx, stack))))


def complete_versions(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete versions of the model that was typed before."""

    def versions(stack: Connection) -> Iterable[str]:
        summary = stack.registry.summary(_tenant(ctx, stack), str(ctx.params.get("model")))
        latest = summary.latest_version if summary else 0
        return (str(version) for version in range(latest, 0, -1))

    return _complete(ctx, incomplete, versions)


def complete_runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the newest runs."""
    return _complete(ctx, incomplete, lambda stack: (run.run for run in stack.runs.list(limit=_MAX_RUNS)))


def complete_runs_and_models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete models, then runs, whose names begin with their tenant."""
    return [*complete_models(ctx, incomplete), *complete_runs(ctx, incomplete)]


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
