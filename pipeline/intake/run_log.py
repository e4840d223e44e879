"""Log of runs: one item per run, in its tenant's partition, listed newest first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.errors import MAX_MESSAGE, NotFoundError
from pipeline.contracts.object_keys import tenant_of_key, tenant_of_run
from pipeline.contracts.ports import Item, Table
from pipeline.contracts.records.estimate import Estimate
from pipeline.contracts.records.run import (
    STAGES,
    Learning,
    RejectedUpload,
    Run,
    RunError,
    RunEvent,
    Stage,
    StageName,
    StageStatus,
)
from pipeline.contracts.table_keys import rejected_upload_key, rejected_uploads_of, run_key

__all__ = ["MAX_EVENT_TEXT", "RunLog"]

_RUNNING = {"status": "RUNNING"}
MAX_EVENT_TEXT = 500  # characters; a run has some dozens of events, such as attempts of its jobs


class RunLog:
    """What users see of their runs. A run that has ended never changes: every write requires the status RUNNING."""

    def __init__(self, table: Table, *, now: Clock = utc_now) -> None:
        self._table = table
        self._now = now

    def create(self, run: str, *, tenant: str, model: str, file: str, started_at: datetime) -> bool:
        """Begin the log of ``run``.

        Returns:
            False if it has begun before; the first entry stays.
        """
        pk, sk = run_key(tenant, run)
        return self._table.put_if_absent(
            {
                "pk": pk,
                "sk": sk,
                "listing": "RUN",
                "listed_at": f"{_format_time(started_at)}#{run}",  # the name orders runs that began at the same time
                "run": run,
                "tenant": tenant,
                "model": model,
                "file": file,
                "status": "RUNNING",
                "started_at": _format_time(started_at),
                "stages": {},
                "events": {},
                "progress": "",
            }
        )

    def finish_stage(self, run: str, stage: StageName) -> None:
        """Record that ``stage`` finished now. Ignored if the run has ended."""
        self._update(run, {f"stages.{stage}": _format_time(self._now()), "progress": ""})

    def record_learning(self, run: str, learning: Learning) -> None:
        """Record what the run learns. Ignored if the run has ended."""
        self._update(run, {"learning": learning.model_dump()})

    def record_estimate(self, run: str, estimate: Estimate) -> None:
        """Record the estimated time and cost. Ignored if the run has ended."""
        self._update(run, {"estimate": estimate.model_dump()})

    def show_progress(self, run: str, text: str) -> None:
        """Show a short text next to the running stage until it finishes. Ignored if the run has ended."""
        self._update(run, {"progress": _truncate(text, MAX_EVENT_TEXT)})

    def add_event(self, run: str, text: str) -> None:
        """Add a text to the run's timeline, cut to MAX_EVENT_TEXT characters. Ignored if the run has ended."""
        now = self._now()
        # The key has no decimal point, which would separate a path. Several jobs may write at once.
        self._update(
            run, {f"events.{round(now.timestamp() * 1e6)}": f"{_format_time(now)} {_truncate(text, MAX_EVENT_TEXT)}"}
        )

    def succeed(self, run: str, version: int, *, not_promoted: str | None = None) -> bool:
        """End the run with a version.

        Args:
            run: Name of the run.
            version: Number of the version.
            not_promoted: Reason why the version is READY but not live; None if it is live.

        Returns:
            False if the run had ended before.
        """
        reason = {"reason": _truncate(not_promoted)} if not_promoted else {}
        return self._end(run, {"status": "SUCCEEDED", "version": version, **reason})

    def await_promotion(self, run: str, version: int, reason: str) -> bool:
        """End the run with a READY version that a person must promote.

        Args:
            run: Name of the run.
            version: Number of the version.
            reason: Why it is not promoted automatically.

        Returns:
            False if the run had ended before.
        """
        return self._end(run, {"status": "NEEDS_DECISION", "version": version, "reason": _truncate(reason)})

    def mark_promoted(self, run: str) -> bool:
        """Mark a run that needed a decision as SUCCEEDED.

        Returns:
            False if no decision was open.
        """
        return self._table.update(
            *run_key(tenant_of_run(run), run), {"status": "SUCCEEDED"}, only_if={"status": "NEEDS_DECISION"}
        )

    def fail(self, run: str, error: RunError) -> bool:
        """End the run with an error.

        Returns:
            False if it had ended before, or was never begun.
        """
        return self._end(run, {"status": "FAILED", "error": {"type": error.type, "message": _truncate(error.message)}})

    def get(self, run: str) -> Run:
        """Return a run.

        Raises:
            NotFoundError: There is no such run.
        """
        item = self._table.get(*run_key(tenant_of_run(run), run))
        if item is None:
            raise NotFoundError("there is no such run: 'modeldrop runs' lists the names of runs")
        return _run(item)

    def running(self, *, since: datetime) -> Sequence[Run]:
        """Return the running runs of all tenants that began at ``since`` or later. The list may be a second old."""
        items = self._table.listing("RUN", since=_format_time(since))
        return [_run(item) for item in items if item["status"] == "RUNNING"]

    def list(self, *, tenant: str | None = None, limit: int = 50) -> list[Run]:
        """Return runs, newest first.

        Args:
            tenant: Runs of one tenant, strongly consistent; by default runs of all tenants, which may be a second old.
            limit: Maximum number of runs.
        """
        if tenant is None:
            return [_run(item) for item in self._table.listing("RUN", limit=limit)]
        items = self._table.query(*run_key(tenant, ""))
        return [_run(item) for item in sorted(items, key=lambda i: i["listed_at"], reverse=True)[:limit]]

    def delete_all(self, tenant: str) -> int:
        """Delete all runs and rejected uploads of a tenant, and return their number. Idempotent."""
        items = [*self._table.query(*run_key(tenant, "")), *self._table.query(*rejected_uploads_of(tenant))]
        for item in items:
            self._table.delete(item["pk"], item["sk"])
        return len(items)

    def reject(self, bucket: str, key: str, reason: str, *, at: datetime) -> None:
        """Record that an upload started no run; it replaces an earlier record of the same key.

        Args:
            bucket: Bucket of the object.
            key: Key of the object.
            reason: Why it started none.
            at: Time of the event.
        """
        tenant = tenant_of_key(key)
        pk, sk = rejected_upload_key(tenant, hashlib.sha256(f"{bucket}/{key}".encode()).hexdigest())
        upload = RejectedUpload(tenant=tenant, bucket=bucket, key=key, reason=reason, at=at)
        self._table.put(
            {
                "pk": pk,
                "sk": sk,
                "listing": "REJECTED",
                "listed_at": f"{_format_time(at)}#{sk}",
                **upload.model_dump(exclude={"at"}),
                "at": _format_time(at),
            }
        )

    def rejected(self, *, tenant: str | None = None, limit: int = 50) -> Sequence[RejectedUpload]:
        """Return uploads that started no run, newest first.

        Args:
            tenant: Uploads of one tenant; by default those of all tenants, and those whose key names none.
            limit: Maximum number of uploads.
        """
        if tenant is None:
            items = self._table.listing("REJECTED", limit=limit)
        else:
            items = self._table.query(*rejected_uploads_of(tenant))
        newest = sorted(items, key=lambda item: item["listed_at"], reverse=True)[:limit]
        return [
            RejectedUpload.model_validate({name: item[name] for name in RejectedUpload.model_fields}) for item in newest
        ]

    def _end(self, run: str, values: Item) -> bool:
        return self._update(run, {**values, "ended_at": _format_time(self._now())})

    def _update(self, run: str, values: Item) -> bool:
        return self._table.update(*run_key(tenant_of_run(run), run), values, only_if=_RUNNING)


def _truncate(text: str, limit: int = MAX_MESSAGE) -> str:
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."


def _format_time(moment: datetime) -> str:
    """Format as ISO 8601 in UTC with a fixed length, so that text sorts like time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _run(item: Item) -> Run:
    fields = {name: item[name] for name in Run.model_fields if name in item and name not in ("stages", "events")}
    return Run.model_validate({**fields, "stages": tuple(_stages(item)), "events": tuple(_events(item))})


def _events(item: Item) -> Iterator[RunEvent]:
    """Return the events in chronological order."""
    for _, event in sorted(item.get("events", {}).items()):
        timestamp, _, text = event.partition(" ")
        yield RunEvent(at=datetime.fromisoformat(timestamp), text=text)


def _stages(item: Item) -> Iterator[Stage]:
    """Return the stages. A stage lasts from the end of the one before; the first unfinished one is the current one."""
    since = datetime.fromisoformat(item["started_at"])
    at_work = item["status"]
    last = max((number for number, name in enumerate(STAGES) if name in item["stages"]), default=-1)
    for number, name in enumerate(STAGES):
        finished = item["stages"].get(name)
        if finished is None and number < last:  # a run of a version that had no such stage
            continue
        if finished is not None:
            until = datetime.fromisoformat(finished)
            yield Stage(name=name, status="SUCCEEDED", seconds=_seconds(since, until))
            since = until
        else:
            yield _unfinished(name, at_work, since, item)
            at_work = ""


def _unfinished(name: StageName, run_status: str, since: datetime, item: dict[str, Any]) -> Stage:
    status: StageStatus = "PENDING"
    seconds = None
    if run_status == "RUNNING":
        status = "RUNNING"
    elif run_status == "FAILED":
        status, seconds = "FAILED", _seconds(since, datetime.fromisoformat(item["ended_at"]))
    progress = item["progress"] if status == "RUNNING" else None
    return Stage(name=name, status=status, seconds=seconds, progress=progress or None)


def _seconds(since: datetime, until: datetime) -> float:
    return round((until - since).total_seconds(), 3)
