"""Find models, versions and runs by name; an error names the most similar one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.contracts.errors import NotFoundError, ObjectNotFoundError
from pipeline.contracts.object_keys import RunKeys

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection
    from pipeline.contracts.records.model_version import GoldenPredictions, ModelSummary, ModelVersion
    from pipeline.contracts.records.run import Run
    from pipeline.contracts.records.variant import Selection

__all__ = [
    "find_live",
    "find_model",
    "find_run",
    "find_selection",
    "find_version",
    "hint_at_runs",
    "live_number",
    "newest_runs",
    "read_golden",
]

_MAX_NAMED = 5
_LIKENESS = 0.6  # difflib's own default: 'chrn' is like 'churn' (0.89), 'nosuchrun' is not (0.57)
_MAX_RUNS = 1000  # newest runs whose names are compared with an unknown name


def find_model(connection: Connection, tenant: str, model: str) -> ModelSummary:
    """Find a model by its name.

    Raises:
        NotFoundError: The tenant has no such model; the message has the nearest name.
    """
    summary = connection.registry.summary(tenant, model)
    if summary is not None:
        return summary
    names = [summary.model for summary in connection.registry.models(tenant)]
    raise NotFoundError(f"no model '{model}'{_hint(connection, tenant, model, names)}")


def find_version(connection: Connection, tenant: str, model: str, version: int | None) -> ModelVersion:
    """Return a version; without a number the live one, or the newest if none is live.

    Raises:
        NotFoundError: The tenant has no such model or version.
    """
    summary = find_model(connection, tenant, model)
    if version is not None and version > summary.latest_version:
        versions = "version 1" if summary.latest_version == 1 else f"versions 1 to {summary.latest_version}"
        raise NotFoundError(f"model '{model}' has no version {version}: it has {versions}")
    return connection.registry.get(tenant, model, version or summary.live_version or summary.latest_version)


def read_golden(connection: Connection, version: ModelVersion) -> GoldenPredictions:
    """Read a version's golden rows.

    Raises:
        NotFoundError: The documents of the version's run were deleted.
    """
    from pipeline.contracts.records.model_version import GoldenPredictions

    try:
        return GoldenPredictions.from_bytes(connection.artifacts.get(RunKeys(version.lineage.run).golden))
    except ObjectNotFoundError as error:
        raise NotFoundError(
            f"{version.model} version {version.version} has no golden rows: the documents of its run are gone"
        ) from error


def find_selection(connection: Connection, run: Run) -> Selection:
    """Read the selection of a run.

    Raises:
        NotFoundError: The run has not reached the stage select.
    """
    from pipeline.contracts.records.variant import Selection

    try:
        return Selection.from_bytes(connection.artifacts.get(RunKeys(run.run).selection))
    except ObjectNotFoundError as error:
        raise NotFoundError(f"run {run.run} has no variants: it is {run.status}") from error


def find_live(connection: Connection, tenant: str, model: str) -> ModelVersion:
    """Return the version that a model's live alias points to.

    Raises:
        NotFoundError: The tenant has no such model, or none of its versions is live.
    """
    summary = find_model(connection, tenant, model)
    if summary.live_version is None:
        raise NotFoundError(
            f"no version of '{model}' is live: 'modeldrop promote {model} {summary.latest_version}' makes one live"
        )
    return connection.registry.live(tenant, model)


def live_number(connection: Connection, tenant: str, model: str) -> int | None:
    """Return the live version; None if there is none, or no such model."""
    summary = connection.registry.summary(tenant, model)
    return summary.live_version if summary else None


def find_run(connection: Connection, name: str, tenant: str | None = None) -> Run:
    """Find a run by its name, or the newest run of a model by the model's name.

    Args:
        connection: The stack.
        name: Name of a run or of a model.
        tenant: Tenant that owns the model; None for the stack's own.

    Raises:
        NotFoundError: There is no such run, and no run of such a model.
    """
    owner = connection.tenant(tenant)
    with suppress(NotFoundError):
        return connection.runs.get(name)
    if newest := connection.runs.page(tenant=owner, models=(name,), limit=1).entries:
        return newest[0]
    raise NotFoundError(f"no run or model '{name}'{hint_at_runs(name, newest_runs(connection, owner))}")


def hint_at_runs(name: str, runs: Sequence[Run]) -> str:
    """Return the end of a sentence about an unknown run: the nearest name, or the command that lists them."""
    names = [*(run.run for run in runs), *dict.fromkeys(run.model for run in runs)]
    return _near(name, names) or _list_runs(runs)


def newest_runs(connection: Connection, tenant: str | None = None) -> Sequence[Run]:
    """Return a tenant's runs, newest first."""
    return connection.runs.list(tenant=tenant, limit=_MAX_RUNS)


def _hint(connection: Connection, tenant: str, model: str, names: Sequence[str]) -> str:
    tenants = sorted(summary.tenant for summary in connection.registry.models() if summary.model == model)
    if tenants:
        return f" in tenant '{tenant}'; tenant '{tenants[0]}' has one: --tenant {tenants[0]}"
    if near := _near(model, names):
        return near
    if not names:
        return f": tenant '{tenant}' has none yet; 'modeldrop drop FILE' trains one"
    more = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
    return f"; there {'is' if len(names) == 1 else 'are'} {', '.join(names[:_MAX_NAMED])}{more}"


def _near(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=_LIKENESS)
    return f"; did you mean '{near[0]}'?" if near else ""


def _list_runs(runs: Sequence[Run]) -> str:
    return "; 'modeldrop runs' lists them" if runs else ": there are no runs yet; 'modeldrop drop FILE' starts one"
