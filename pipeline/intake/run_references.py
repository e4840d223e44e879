"""Items of runs, and references that list the runs of a tenant, of a model, and of all tenants.

A run's item changes every second while a job reports its progress, so the item is not in an index. Two references to
the run are written in the same transaction and never change; the tenant's reference is also in the listing index.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from pipeline.contracts.clock import format_time
from pipeline.contracts.paging.listing import name_shard, read_listing
from pipeline.contracts.ports import Item, PutRequest, Table, UpdateRequest
from pipeline.contracts.table_keys import run_key, run_started_prefix

__all__ = [
    "LISTING",
    "REFERENCE_PREFIXES",
    "add_references",
    "make_run_item",
    "read_references",
    "read_runs",
    "reference_writes",
]

LISTING = "RUN"
REFERENCE_PREFIXES = (run_started_prefix("")[1], "STARTED-OF#")  # sort keys in a tenant's partition


def make_run_item(run: str, *, tenant: str, model: str, file: str, started_at: datetime) -> Item:
    """Return the initial item of a run."""
    pk, sk = run_key(tenant, run)
    return {
        "pk": pk,
        "sk": sk,
        "run": run,
        "tenant": tenant,
        "model": model,
        "file": file,
        "status": "RUNNING",
        "started_at": format_time(started_at),
        "stages": {},
        "events": {},
        "progress": "",
    }


def reference_writes(item: Item) -> Sequence[PutRequest]:
    """Return the writes that create the two references to a run."""
    tenant, model = item["tenant"], item["model"]
    position = f"{item['started_at']}#{item['run']}"  # the name orders runs that began at the same time
    reference = {"run": item["run"], "tenant": tenant, "model": model, "listed_at": position}
    (pk, prefix), (_, model_prefix) = run_started_prefix(tenant), run_started_prefix(tenant, model)
    listed = {"pk": pk, "sk": f"{prefix}{position}", "listing": name_shard(LISTING, (pk, position))}
    return (
        PutRequest(item={**reference, **listed}),
        PutRequest(item={**reference, "pk": pk, "sk": f"{model_prefix}{position}"}),
    )


def read_references(
    table: Table, tenant: str | None, models: Collection[str], *, limit: int, after: str | None
) -> Sequence[Item]:
    """Read references, newest first.

    Args:
        table: The table.
        tenant: Tenant of the runs; None for all.
        models: With exactly one model and a tenant, only its runs are read.
        limit: Maximum number of references.
        after: Position (``listed_at``) after which the references begin.
    """
    if tenant is None:
        return read_listing(table, LISTING, limit=limit, before=after or "")
    pk, prefix = run_started_prefix(tenant, *(models if len(models) == 1 else ()))
    start = None if after is None else f"{prefix}{after}"
    return table.query(pk, prefix, newest_first=True, limit=limit, after=start)


def read_runs(table: Table, references: Sequence[Item], *, consistent: bool = True) -> Sequence[Item]:
    """Read the items of the referenced runs without deleted runs. The item of an older release is its own reference."""
    return table.get_all([run_key(entry["tenant"], entry["run"]) for entry in references], consistent=consistent)


def add_references(table: Table, limit: int) -> int:
    """Add references to runs of older releases, whose items are in the listing index, and remove these from the index.

    Idempotent: each run is one transaction, which fails if the run has its references already, or is deleted.

    Args:
        table: The table.
        limit: Maximum number of runs.

    Returns:
        Number of runs that were found.
    """
    items = table.listing(LISTING, limit=limit)
    for item in items:
        unlisted = UpdateRequest(
            key=(item["pk"], item["sk"]),
            remove=("listing", "listed_at"),
            only_if={"listing": LISTING},
        )
        table.write_all([unlisted, *reference_writes(item)])
    return len(items)
