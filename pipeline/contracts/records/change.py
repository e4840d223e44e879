"""A change that is published to listeners."""

from __future__ import annotations

from typing import Any, Literal

from pipeline.contracts.record import Record

__all__ = ["Change", "ChangeKind"]

ChangeKind = Literal["Run Ended", "Version Promoted", "Version Rolled Back"]


class Change(Record):
    """The end of a run, or the move of an alias.

    Attributes:
        id: Id of the change; a repeated delivery has the same id.
        kind: Kind of the change, which is the detail type of its event.
        tenant: Tenant of the run or model.
        time: Time of the change, ISO 8601.
        detail: For a run ``run``, ``model``, ``status``, ``version``, ``error`` and ``reason``; for a move ``model``,
            ``alias``, ``version``, ``previous``, ``by`` and ``reason``.
    """

    id: str
    kind: ChangeKind
    tenant: str
    time: str
    detail: dict[str, Any]
