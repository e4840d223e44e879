"""Which runs `runs` lists: by model, status and age."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection
    from pipeline.contracts.records.run import RejectedUpload, Run

__all__ = ["STATUSES", "RunFilter", "list_runs", "parse_since", "parse_status"]

STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "NEEDS_DECISION", "REJECTED")
_MAX_LISTED = 1000  # that a filter looks at
_AGE = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFilter:
    """None: any."""

    tenant: str | None = None
    model: str | None = None
    status: str | None = None
    since: datetime | None = None

    def takes(self, run: Run) -> bool:
        """Return whether a run is listed."""
        if self.model not in (None, run.model) or self.status not in (None, run.status):
            return False
        return self.since is None or run.started_at >= self.since

    def takes_rejected(self, upload: RejectedUpload) -> bool:
        """Return whether an upload that started no run is listed; it belongs to no model."""
        if self.model is not None or self.status not in (None, "REJECTED"):
            return False
        return self.since is None or upload.at >= self.since

    @property
    def is_narrow(self) -> bool:
        """Return whether more runs must be read than are listed."""
        return any(value is not None for value in (self.model, self.status, self.since))


def list_runs(
    connection: Connection, chosen: RunFilter, *, limit: int
) -> tuple[list[Run | RejectedUpload], Sequence[RejectedUpload]]:
    """Return the newest ``limit`` that a filter takes, newest first; and the rejected uploads among them."""
    from pipeline.cli.views.rejected_uploads import merge_newest

    read = _MAX_LISTED if chosen.is_narrow else limit
    runs = [run for run in connection.runs.list(tenant=chosen.tenant, limit=read) if chosen.takes(run)]
    rejected = connection.runs.rejected(tenant=chosen.tenant, limit=read)
    return merge_newest(runs, [upload for upload in rejected if chosen.takes_rejected(upload)], limit)


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
    """``30m``, ``2h``, ``1d``, ``2w`` before now, or a date such as ``2026-11-29``.

    Raises:
        typer.BadParameter: It is neither.
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
