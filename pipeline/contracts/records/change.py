"""A change that others are told of."""

from __future__ import annotations

from typing import Any, Literal

from pipeline.contracts.record import Record

__all__ = ["Change", "ChangeKind"]

ChangeKind = Literal["Run Ended", "Version Promoted", "Version Rolled Back"]


class Change(Record):
    """The end of a run, or the move of an alias.

    Attributes:
        id: The same for a repeated delivery.
        kind: Kind of the change: the detail type of its event.
        tenant: Tenant whose run or model it is.
        time: When, ISO 8601.
        detail: Of a run ``run``, ``model``, ``status``, ``version`` and ``error``; of a move ``model``, ``alias``,
            ``version``, ``previous``, ``by`` and ``reason``.
    """

    id: str
    kind: ChangeKind
    tenant: str
    time: str
    detail: dict[str, Any]
