"""Audit log: who changed what, and which calls were denied."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.ports import Item, Table
from pipeline.contracts.table_keys import audit_key

__all__ = ["AuditEntry", "AuditLog", "Outcome"]

Outcome = Literal["allowed", "denied"]
_RETENTION = timedelta(days=365)
_LISTED_DAYS = 31
_PAGE = 100
_MAX_TEXT = 300  # characters of one attribute


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """One call.

    Attributes:
        at: Time of the call, ISO 8601.
        tenant: Tenant of the caller, or the one that an operator's command changed.
        principal: Name of the API key's holder, or of the person at the command line.
        action: What was called, such as ``promote`` or ``POST /v2/models/{model}/infer``.
        resource: What it was called for, such as ``adult@3``.
        outcome: Whether the call was allowed.
        reason: Error class of a denied call; empty otherwise.
    """

    at: str
    tenant: str
    principal: str
    action: str
    resource: str
    outcome: Outcome
    reason: str = ""


class AuditLog:
    """Entries in the table, each kept for a year; the listing index has a partition for each day."""

    def __init__(self, table: Table, *, now: Clock = utc_now) -> None:
        self._table = table
        self._now = now

    def add(
        self,
        action: str,
        resource: str,
        *,
        caller: tuple[str, str],
        outcome: Outcome = "allowed",
        reason: str = "",
    ) -> None:
        """Add an entry.

        Args:
            action: What was called.
            resource: What it was called for; names, never users' data.
            caller: Tenant and principal.
            outcome: Whether the call was allowed.
            reason: Error class of a denied call.
        """
        now = self._now().astimezone(UTC)
        added_at = now.isoformat(timespec="microseconds")
        entry = f"{added_at}#{secrets.token_hex(4)}"
        tenant, principal = caller
        pk, sk = audit_key(tenant, entry)
        self._table.put(
            {
                "pk": pk,
                "sk": sk,
                "listing": _listing(now),
                "listed_at": entry,
                "expires_at": int((now + _RETENTION).timestamp()),
                "at": added_at,
                "tenant": tenant,
                "principal": principal[:_MAX_TEXT],
                "action": action[:_MAX_TEXT],
                "resource": resource[:_MAX_TEXT],
                "outcome": outcome,
                "reason": reason,
            }
        )

    def list(self, *, tenant: str | None = None, limit: int = 50) -> Sequence[AuditEntry]:
        """Return entries, newest first.

        Args:
            tenant: Entries of one tenant; by default those of all tenants of the last month, which may be a second old.
            limit: Maximum number of entries.
        """
        if tenant is None:
            return [_entry(item) for item in islice(self._listed(limit), limit)]
        pk, prefix = audit_key(tenant, "")
        return [_entry(item) for item in self._table.query(pk, prefix, newest_first=True, limit=limit)]

    def delete_all(self, tenant: str) -> None:
        """Delete the entries of a tenant."""
        pk, prefix = audit_key(tenant, "")
        while items := self._table.query(pk, prefix, limit=_PAGE):
            for item in items:
                self._table.delete(pk, item["sk"])

    def _listed(self, limit: int) -> Iterator[Item]:
        now = self._now().astimezone(UTC)
        for age in range(_LISTED_DAYS):
            yield from self._table.listing(_listing(now - timedelta(days=age)), limit=limit)


def _listing(moment: datetime) -> str:
    return f"AUDIT#{moment:%Y-%m-%d}"


def _entry(item: Item) -> AuditEntry:
    return AuditEntry(
        at=item["at"],
        tenant=item["tenant"],
        principal=item["principal"],
        action=item["action"],
        resource=item["resource"],
        outcome=item["outcome"],
        reason=item["reason"],
    )
