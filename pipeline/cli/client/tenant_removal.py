"""Remove a tenant with everything that it owns."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.contracts.errors import NotFoundError
from pipeline.contracts.paging.page import iterate

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection

__all__ = ["RemovedTenant", "remove_tenant"]

_PAGE = 100  # runs per read


@dataclass(frozen=True, kw_only=True, slots=True)
class RemovedTenant:
    """Counts of what was deleted: object versions, records of the table, API keys."""

    objects: int
    items: int
    keys: int


def remove_tenant(connection: Connection, tenant: str) -> RemovedTenant:
    """Delete everything that a tenant owns: keys first, so that nothing new arrives; its record last. Idempotent.

    Running runs fail when their files are gone; cancel them first to free their machines.

    Args:
        connection: Stack of the tenant.
        tenant: Name.

    Raises:
        NotFoundError: There is no such tenant.
    """
    if connection.tenants.get(tenant) is None:
        raise NotFoundError(f"there is no tenant '{tenant}': 'modeldrop tenants list' lists them")
    connection.tenants.begin_removal(tenant)
    keys = connection.keys.delete_all(tenant)
    for run in iterate(lambda after: connection.runs.page(tenant=tenant, limit=_PAGE, after=after)):
        if run.status != "RUNNING":
            continue
        with suppress(NotFoundError):  # the execution has not begun, and will find no files
            connection.executions.stop(run.run, "the tenant was deleted")
    objects = connection.uploads.delete_all(f"{tenant}/") + connection.artifacts.delete_all(f"tenants/{tenant}/")
    items = connection.registry.delete_all(tenant) + connection.runs.delete_all(tenant)
    connection.tenants.forget_grants(tenant)
    connection.audit.delete_all(tenant)
    connection.tenants.remove(tenant)
    keys += connection.keys.delete_all(tenant)  # keys that the eventually consistent list lacked
    return RemovedTenant(objects=objects, items=items, keys=keys)
