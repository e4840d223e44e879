"""Tenants, their keys and the audit log, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from pipeline.cli.views.fitted_table import FittedColumn, FittedTable

if TYPE_CHECKING:
    from pipeline.registry.api_keys import ApiKey
    from pipeline.registry.audit import AuditEntry
    from pipeline.registry.tenants import Tenant

__all__ = ["audit_table", "grants_table", "keys_table", "tenants_table"]


def grants_table(grants: Mapping[tuple[str, str], str]) -> RenderableType:
    """Return a table of the tenants that models are shared with."""
    if not grants:
        return Text("shared with nobody: 'modeldrop share MODEL TENANT' lets another tenant use it")
    table = FittedTable(columns=[FittedColumn(name=name) for name in ("model", "tenant", "role")])
    for (model, tenant), role in sorted(grants.items()):
        table.add(Text(model), Text(tenant), Text(role))
    return table


def keys_table(keys: Sequence[ApiKey]) -> RenderableType:
    """Return a table of keys, which are named by their first characters."""
    if not keys:
        return Text("no keys yet: 'modeldrop keys create TENANT' makes one")
    table = FittedTable(
        columns=[
            FittedColumn(name="key"),
            FittedColumn(name="tenant"),
            FittedColumn(name="principal", drop=2),
            FittedColumn(name="role", drop=1),
            FittedColumn(name="models", drop=4, wraps=True),
            FittedColumn(name="created", drop=3),
            FittedColumn(name="expires", drop=5),
            FittedColumn(name=""),
        ]
    )
    for key in keys:
        table.add(
            Text(f"{key.prefix}…"),
            Text(key.tenant),
            Text(key.principal),
            key.role,
            Text(", ".join(key.models)),
            _minute(key.created_at),
            _minute(key.valid_until or ""),
            Text("revoked", style="red") if key.revoked_at else Text("valid", style="green"),
            style="dim" if key.revoked_at else None,
        )
    return table


def tenants_table(tenants: Sequence[Tenant]) -> RenderableType:
    """Return a table of tenants, one per row."""
    if not tenants:
        return Text("no tenants yet: 'modeldrop tenants create TENANT' makes one")
    columns = [FittedColumn(name=name) for name in ("tenant", "status", "tier", "created")]
    table = FittedTable(columns=columns)
    for tenant in tenants:
        style = "green" if tenant.status == "ACTIVE" else "red"
        table.add(
            Text(tenant.tenant), Text(tenant.status.lower(), style=style), tenant.tier, _minute(tenant.created_at)
        )
    return table


def audit_table(entries: Sequence[AuditEntry]) -> RenderableType:
    """Return a table of audit log entries, one per row."""
    table = FittedTable(
        columns=[
            FittedColumn(name="at (UTC)"),
            FittedColumn(name="tenant", drop=3),
            FittedColumn(name="who", drop=2, wraps=True),
            FittedColumn(name="what"),
            FittedColumn(name="of", drop=1, wraps=True),
            FittedColumn(name=""),
        ]
    )
    for entry in entries:
        table.add(
            entry.at[:19].replace("T", " "),
            Text(entry.tenant),
            Text(entry.principal),
            Text(entry.action),
            Text(entry.resource),
            Text(entry.outcome, style="red" if entry.outcome == "denied" else "green"),
        )
    return table


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
