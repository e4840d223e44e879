"""Read changes from records of the table's stream."""

from __future__ import annotations

from typing import Any

from pipeline.contracts.ports import Item
from pipeline.contracts.records.change import Change, ChangeKind

__all__ = ["parse_change"]

_RUN_FIELDS = ("run", "model", "status", "version", "error", "reason")
_MOVE_FIELDS = ("alias", "version", "previous", "by", "reason")


def parse_change(event_name: str, old: Item, new: Item, *, change_id: str) -> Change | None:
    """Return the change in a record of the stream; None for records that are not published.

    Args:
        event_name: INSERT, MODIFY or REMOVE.
        old: Item before the change; empty if there was none.
        new: Item after the change; empty if there is none.
        change_id: Id of the record; a repeated delivery has the same id.
    """
    key, partition = new.get("sk", ""), new.get("pk", "")
    if event_name == "INSERT" and key.startswith("HISTORY#"):
        _, tenant, _, model = partition.split("#", 3)
        previous = new.get("previous")
        is_rollback = previous is not None and new["version"] < previous
        kind: ChangeKind = "Version Rolled Back" if is_rollback else "Version Promoted"
        detail = {"model": model, **_pick(new, _MOVE_FIELDS)}
        return Change(id=change_id, kind=kind, tenant=tenant, time=new["at"], detail=detail)
    if event_name == "MODIFY" and key.startswith("RUN#") and old.get("status") == "RUNNING":
        if new.get("status") == "RUNNING":
            return None
        detail = _pick(new, _RUN_FIELDS)
        return Change(id=change_id, kind="Run Ended", tenant=new["tenant"], time=new["ended_at"], detail=detail)
    return None


def _pick(item: Item, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: item[name] for name in names if item.get(name) is not None}
