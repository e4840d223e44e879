"""Select the runs that `runs` lists: by model, status and age."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING

import typer

from pipeline.contracts.paging.page import iterate

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection
    from pipeline.contracts.records.run import RejectedUpload, Run

    Listed = tuple[list[Run | RejectedUpload], Sequence[RejectedUpload]]

__all__ = ["STATUSES", "Listed", "RunFilter", "choose_newest", "list_runs", "parse_since", "parse_status"]

STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "NEEDS_DECISION", "REJECTED")
_PAGE = 100  # runs per read
_AGE = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFilter:
    """A filter of runs. A None field matches every run."""

    tenant: str | None = None
    model: str | None = None
    status: str | None = None
    since: datetime | None = None

    def matches(self, run: Run) -> bool:
        """Return whether the filter matches a run."""
        return self.status in (None, run.status)

    @property
    def matches_rejected(self) -> bool:
        """Return whether the filter matches rejected uploads, which belong to no model."""
        return self.model is None and self.status in (None, "REJECTED")

    @property
    def is_narrow(self) -> bool:
        """Return whether the filter excludes any run."""
        return any(value is not None for value in (self.model, self.status, self.since))


def list_runs(connection: Connection, chosen: RunFilter, *, limit: int) -> Listed:
    """Return the newest ``limit`` runs that match a filter; see ``choose_newest``."""
    page = min(limit, _PAGE)
    models = () if chosen.model is None else (chosen.model,)
    runs = iterate(lambda after: connection.runs.page(tenant=chosen.tenant, models=models, limit=page, after=after))
    uploads = iterate(lambda after: connection.runs.rejected_page(tenant=chosen.tenant, limit=page, after=after))
    return choose_newest(runs, uploads, chosen, limit)


def choose_newest(runs: Iterable[Run], uploads: Iterable[RejectedUpload], chosen: RunFilter, limit: int) -> Listed:
    """Return the newest ``limit`` matches, newest first, and the rejected uploads among them.

    Reading stops when there are enough, or when entries are older than the filter allows.

    Args:
        runs: Runs of the filter's tenant and model, newest first.
        uploads: Rejected uploads, newest first.
        chosen: The filter.
        limit: Maximum number of both together.
    """
    from pipeline.cli.views.rejected_uploads import merge_newest

    since = chosen.since or datetime.min.replace(tzinfo=UTC)
    matching = filter(chosen.matches, takewhile(lambda run: run.started_at >= since, runs))
    rejected = takewhile(lambda upload: upload.at >= since, uploads)
    return merge_newest(
        [] if chosen.status == "REJECTED" else list(islice(matching, limit)),
        list(islice(rejected, limit)) if chosen.matches_rejected else [],
        limit,
    )


def parse_status(text: str) -> str:
    """Parse the status of a run, in any case.

    Raises:
        typer.BadParameter: There is no such status.
    """
    status = text.upper().replace("-", "_")
    if status not in STATUSES:
        raise typer.BadParameter(f"'{text}' is not a status: {', '.join(STATUSES).lower()} is expected")
    return status


def parse_since(text: str, *, now: datetime) -> datetime:
    """Parse a time: ``30m``, ``2h``, ``1d`` or ``2w`` before now, or a date such as ``2026-11-29``.

    Raises:
        typer.BadParameter: The text is neither.
    """
    if age := _AGE.fullmatch(text.strip().lower()):
        try:
            return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not a time: 30m, 2h, 1d, 2w or 2026-11-29 is expected") from None
