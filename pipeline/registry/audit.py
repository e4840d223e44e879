"""Audit log: who changed what, and which calls were denied."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Literal

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.errors import TransientError
from pipeline.contracts.ports import Item, PutRequest, Table, TableWrite, UpdateRequest
from pipeline.contracts.table_keys import audit_key

__all__ = ["OPERATORS", "AuditEntry", "AuditLog", "AuditedTable", "Outcome"]

Outcome = Literal["allowed", "denied"]
OPERATORS = "_"  # in the field ``tenant``, for operators' changes to the stack; not a valid name of a tenant
_RETENTION = timedelta(days=365)
_LISTED_DAYS = 31
_PAGE = 100
_ATTEMPTS = 5
_MAX_TEXT = 300  # characters of one attribute


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """A change or a denied call.

    Attributes:
        at: Time of the call, ISO 8601.
        tenant: Tenant of the caller, or the tenant that an operator's command changed; OPERATORS for the stack itself.
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


class AuditedTable:
    """A Table that writes an entry of the audit log in the transaction of the change that the entry records.

    Deletions and increments of counters do not write the entry.

    Args:
        table: The table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._entry: ContextVar[Item | None] = ContextVar("entry", default=None)

    @contextmanager
    def with_entry(self, entry: Item) -> Iterator[None]:
        """Write ``entry`` with the first change of the block."""
        token = self._entry.set(entry)
        try:
            yield
        finally:
            self._entry.reset(token)

    @property
    def is_pending(self) -> bool:
        """Return whether an entry waits for a change to be written with."""
        return self._entry.get() is not None

    def put_without_entry(self, item: Item) -> None:
        """Write an item without an entry."""
        self._table.put(item)

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        """Read one item."""
        return self._table.get(pk, sk, consistent=consistent)

    def get_all(self, keys: Sequence[tuple[str, str]], *, consistent: bool = True) -> list[Item]:
        """Read several items."""
        return self._table.get_all(keys, consistent=consistent)

    def put(self, item: Item) -> None:
        """Write an item.

        Raises:
            TransientError: Other writers were first in every attempt.
        """
        if not self.is_pending:
            self._table.put(item)
        elif not any(self.write_all([PutRequest(item=item)]) for _ in range(_ATTEMPTS)):
            raise TransientError("the registry is busy: other writers were first in every attempt")

    def put_if_absent(self, item: Item) -> bool:
        """Write an item only if no item has its key."""
        if not self.is_pending:
            return self._table.put_if_absent(item)
        return self.write_all([PutRequest(item=item, only_if_absent=True)])

    def update(
        self,
        pk: str,
        sk: str,
        values: Mapping[str, Any],
        *,
        remove: Sequence[str] = (),
        only_if: Mapping[str, Any] | None = None,
    ) -> bool:
        """Set and remove attributes of an existing item."""
        if not self.is_pending:
            return self._table.update(pk, sk, values, remove=remove, only_if=only_if)
        request = UpdateRequest(key=(pk, sk), values=values, remove=remove, only_if=only_if)
        return any(self.write_all([request]) for _ in range(2))  # a transaction also fails if another conflicts

    def increment(self, pk: str, sk: str, amounts: Mapping[str, float], values: Mapping[str, Any]) -> None:
        """Add to numbers of an item."""
        self._table.increment(pk, sk, amounts, values)

    def delete(self, pk: str, sk: str) -> None:
        """Delete an item."""
        self._table.delete(pk, sk)

    def write_all(self, writes: Sequence[TableWrite]) -> bool:
        """Write several items, and a pending entry, in one transaction."""
        if (entry := self._entry.get()) is None:
            return self._table.write_all(writes)
        written = self._table.write_all([*writes, PutRequest(item=entry)])
        if written:
            self._entry.set(None)
        return written

    def query(
        self,
        pk: str,
        sk_prefix: str = "",
        *,
        newest_first: bool = False,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Item]:
        """Read the items of a partition."""
        return self._table.query(pk, sk_prefix, newest_first=newest_first, limit=limit, after=after)

    def listing(self, name: str, *, limit: int | None = None, since: str = "", before: str = "") -> list[Item]:
        """Read the items of the listing index."""
        return self._table.listing(name, limit=limit, since=since, before=before)


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
        self._table.put(self._make(action, resource, caller, outcome, reason))

    @contextmanager
    def record_change(self, action: str, resource: str, *, caller: tuple[str, str]) -> Iterator[None]:
        """Run the block, and add an entry in the transaction of the first change that it writes.

        Therefore no change lacks its entry. If the block changes nothing in the AuditedTable, the entry is added at the
        end of the block; if the block raises before it changes anything, no entry is added.

        Args:
            action: What is called.
            resource: What it is called for; names, never users' data.
            caller: Tenant and principal.
        """
        entry = self._make(action, resource, caller, "allowed", "")
        if not isinstance(self._table, AuditedTable):
            yield
            self._table.put(entry)
            return
        with self._table.with_entry(entry):
            yield
            if self._table.is_pending:
                self._table.put_without_entry(entry)

    def _make(self, action: str, resource: str, caller: tuple[str, str], outcome: Outcome, reason: str) -> Item:
        now = self._now().astimezone(UTC)
        added_at = now.isoformat(timespec="microseconds")
        entry = f"{added_at}#{secrets.token_hex(4)}"
        tenant, principal = caller
        pk, sk = audit_key(tenant, entry)
        return {
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

    def list(self, *, tenant: str | None = None, limit: int = 50) -> Sequence[AuditEntry]:
        """Return entries, newest first.

        Args:
            tenant: Tenant whose entries to return; None for the entries of all tenants of the last month, which may be
                a second old.
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
    return AuditEntry(**{field.name: item[field.name] for field in fields(AuditEntry)})
