"""Log of runs: one item per run, in its tenant's partition, listed newest first."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from pipeline.contracts.clock import Clock, format_time, utc_now
from pipeline.contracts.errors import MAX_MESSAGE, NotFoundError
from pipeline.contracts.object_keys import tenant_of_key, tenant_of_run
from pipeline.contracts.paging.listing import read_listing
from pipeline.contracts.paging.page import Page, make_page
from pipeline.contracts.ports import Item, PutRequest, Table
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
)
from pipeline.contracts.table_keys import rejected_upload_key, rejected_uploads_of, run_key
from pipeline.intake.run_references import (
    LISTING,
    REFERENCE_PREFIXES,
    add_references,
    make_run_item,
    read_references,
    read_runs,
    reference_writes,
)

__all__ = ["RunLog"]

_RUNNING = {"status": "RUNNING"}
_MIGRATED = 500  # maximum runs of older releases that one call adds references to
_MAX_EVENT_TEXT = 500  # characters; a run has dozens of events, such as attempts of its jobs


class RunLog:
    """Log of runs, as users see them. A run that has ended never changes: every write requires the status RUNNING."""

    def __init__(self, table: Table, *, now: Clock = utc_now) -> None:
        self._table = table
        self._now = now

    def create(self, run: str, *, tenant: str, model: str, file: str, started_at: datetime) -> bool:
        """Begin the log of ``run``.

        Returns:
            False if the log exists already; it is not changed.
        """
        item = make_run_item(run, tenant=tenant, model=model, file=file, started_at=started_at)
        writes = [PutRequest(item=item, only_if_absent=True), *reference_writes(item)]
        while not self._table.write_all(writes):
            if self._table.get(item["pk"], item["sk"]) is not None:
                return False
        return True

    def finish_stage(self, run: str, stage: StageName) -> None:
        """Record that ``stage`` finished now. Ignored if the run has ended."""
        self._update(run, {f"stages.{stage}": format_time(self._now()), "progress": ""})

    def record_learning(self, run: str, learning: Learning) -> None:
        """Record what the run learns. Ignored if the run has ended."""
        self._update(run, {"learning": learning.model_dump()})

    def record_estimate(self, run: str, estimate: Estimate) -> None:
        """Record the estimated time and cost. Ignored if the run has ended."""
        self._update(run, {"estimate": estimate.model_dump()})

    def show_progress(self, run: str, text: str) -> None:
        """Show a short text next to the running stage until it finishes. Ignored if the run has ended."""
        self._update(run, {"progress": _truncate(text, _MAX_EVENT_TEXT)})

    def add_event(self, run: str, text: str) -> None:
        """Add a text to the run's timeline, cut to 500 characters. Ignored if the run has ended."""
        now = self._now()
        # The key has microseconds, since several jobs may write at once, and no decimal point, which separates a path.
        self._update(
            run, {f"events.{round(now.timestamp() * 1e6)}": f"{format_time(now)} {_truncate(text, _MAX_EVENT_TEXT)}"}
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
            False if the run had ended before, or has no log.
        """
        return self._update(run, self._failed(error))

    def cancel(self, run: str, error: RunError) -> bool:
        """End the run with an error on behalf of a person, unless its version is being promoted.

        Returns:
            False if the run had ended before, has no log, or its promotion has begun.
        """
        failed = self._failed(error)
        return self._table.update(*run_key(tenant_of_run(run), run), failed, only_if={**_RUNNING, "promoting": None})

    def begin_promotion(self, run: str) -> bool:
        """Note that the run's version is about to go live: from now on nobody cancels the run. Idempotent.

        Returns:
            False if the run had ended before.
        """
        return self._update(run, {"promoting": True})

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
        references = read_listing(self._table, LISTING, since=format_time(since))
        items = read_runs(self._table, references, consistent=False)
        return [_run(item) for item in items if item["status"] == "RUNNING"]

    def list(self, *, tenant: str | None = None, limit: int = 50) -> Sequence[Run]:
        """Return the newest runs; see ``page``."""
        return self.page(tenant=tenant, limit=limit).entries

    def page(
        self, *, tenant: str | None = None, models: Collection[str] = (), limit: int = 50, after: str | None = None
    ) -> Page[Run]:
        """Return a page of runs, newest first.

        Args:
            tenant: Runs of one tenant, strongly consistent; by default runs of all tenants, which may be a second old.
            models: Runs of these models only. With several models, or without a tenant, a page may have fewer runs than
                ``limit``.
            limit: Maximum number of runs.
            after: Position after which the page begins.
        """
        references = read_references(self._table, tenant, models, limit=limit + 1, after=after)
        return make_page(
            references,
            limit,
            position=lambda reference: str(reference["listed_at"]),
            parse=lambda entries: [
                _run(item) for item in read_runs(self._table, [entry for entry in entries if _is_of(entry, models)])
            ],
        )

    def add_references(self, *, limit: int = _MIGRATED) -> int:
        """Add the references to runs that an older release began, and return the number of these runs. Idempotent.

        Args:
            limit: Maximum number of runs.
        """
        return add_references(self._table, limit)

    def delete_all(self, tenant: str) -> int:
        """Delete all runs and rejected uploads of a tenant, and return their number. Idempotent."""
        partition, _ = run_key(tenant, "")
        prefixes = (run_key(tenant, "")[1], rejected_uploads_of(tenant)[1], *REFERENCE_PREFIXES)
        items = [item for prefix in prefixes for item in self._table.query(partition, prefix)]
        for item in items:
            self._table.delete(item["pk"], item["sk"])
        return sum("status" in item or "reason" in item for item in items)

    def reject(self, bucket: str, key: str, reason: str, *, at: datetime, tenant: str | None = None) -> None:
        """Record that an upload started no run. Idempotent.

        Args:
            bucket: Bucket of the object.
            key: Key of the object.
            reason: Why the upload started no run.
            at: Time of the event.
            tenant: Tenant that sees the upload; empty for none. By default the tenant that the key names.
        """
        tenant = tenant_of_key(key) if tenant is None else tenant
        rejected_at = f"{format_time(at)}#{hashlib.sha256(f'{bucket}/{key}'.encode()).hexdigest()}"
        pk, sk = rejected_upload_key(tenant, rejected_at)
        upload = RejectedUpload(tenant=tenant, bucket=bucket, key=key, reason=reason, at=at)
        listed = {"listing": "REJECTED", "listed_at": rejected_at}
        self._table.put({"pk": pk, "sk": sk, **listed, **upload.model_dump(exclude={"at"}), "at": format_time(at)})

    def rejected_page(
        self, *, tenant: str | None = None, limit: int = 50, after: str | None = None
    ) -> Page[RejectedUpload]:
        """Return a page of the uploads that started no run, newest first; records of older releases come last.

        Args:
            tenant: Uploads of one tenant; by default all uploads, including those whose key names no tenant.
            limit: Maximum number of uploads.
            after: Position after which the page begins.
        """
        if tenant is None:
            items = self._table.listing("REJECTED", limit=limit + 1, before=after or "")
            return make_page(items, limit, position=lambda item: str(item["listed_at"]), parse=_rejected)
        pk, prefix = rejected_uploads_of(tenant)
        start = None if after is None else f"{prefix}{after}"
        items = self._table.query(pk, prefix, newest_first=True, limit=limit + 1, after=start)
        return make_page(items, limit, position=lambda item: str(item["sk"]).removeprefix(prefix), parse=_rejected)

    def _failed(self, error: RunError) -> Item:
        described = {"type": error.type, "message": _truncate(error.message)}
        return {"status": "FAILED", "error": described, "ended_at": format_time(self._now())}

    def _end(self, run: str, values: Item) -> bool:
        return self._update(run, {**values, "ended_at": format_time(self._now())})

    def _update(self, run: str, values: Item) -> bool:
        return self._table.update(*run_key(tenant_of_run(run), run), values, only_if=_RUNNING)


def _truncate(text: str, limit: int = MAX_MESSAGE) -> str:
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."


def _is_of(reference: Item, models: Collection[str]) -> bool:
    return not models or reference["model"] in models


def _rejected(items: Sequence[Item]) -> Sequence[RejectedUpload]:
    return [RejectedUpload.model_validate({name: item[name] for name in RejectedUpload.model_fields}) for item in items]


def _run(item: Item) -> Run:
    fields = {name: item[name] for name in Run.model_fields if name in item and name not in ("stages", "events")}
    return Run.model_validate({**fields, "stages": tuple(_stages(item)), "events": tuple(_events(item))})


def _events(item: Item) -> Iterator[RunEvent]:
    """Return the events in chronological order."""
    for _, event in sorted(item.get("events", {}).items()):
        timestamp, _, text = event.partition(" ")
        yield RunEvent(at=datetime.fromisoformat(timestamp), text=text)


def _stages(item: Item) -> Iterator[Stage]:
    """Yield the stages; each lasts from the end of the previous one. The first unfinished stage is the current one."""
    since = datetime.fromisoformat(item["started_at"])
    status = item["status"]
    last = max((number for number, name in enumerate(STAGES) if name in item["stages"]), default=-1)
    for number, name in enumerate(STAGES):
        finished = item["stages"].get(name)
        if finished is None and number < last:  # the run was made by a release without this stage
            continue
        if finished is not None:
            until = datetime.fromisoformat(finished)
            yield Stage(name=name, status="SUCCEEDED", seconds=_seconds(since, until))
            since = until
        else:
            yield _unfinished(name, status, since, item)
            status = ""


def _unfinished(name: StageName, run_status: str, since: datetime, item: dict[str, Any]) -> Stage:
    if run_status == "RUNNING":
        return Stage(name=name, status="RUNNING", progress=item["progress"] or None)
    if run_status == "FAILED":
        return Stage(name=name, status="FAILED", seconds=_seconds(since, datetime.fromisoformat(item["ended_at"])))
    return Stage(name=name, status="PENDING")


def _seconds(since: datetime, until: datetime) -> float:
    return round((until - since).total_seconds(), 3)
