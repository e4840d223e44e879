"""Tenants: their status, the gateway key that carries their limits. Standard library only, for the authorizer."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.errors import ConflictError, InputError, NotFoundError
from pipeline.contracts.object_keys import check_tenant
from pipeline.contracts.ports import GatewayKeys, Item, Table
from pipeline.contracts.table_keys import tenant_key

__all__ = ["DEFAULT_TIER", "TIERS", "Tenant", "TenantAdministration", "Tenants"]

TIERS = ("basic", "standard", "premium")  # usage plans of the template
DEFAULT_TIER = "standard"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenant:
    """A tenant.

    Attributes:
        tenant: Name.
        status: ACTIVE or SUSPENDED; a suspended tenant's keys are refused.
        tier: Usage plan: basic, standard or premium.
        gateway_key: Opaque key of API Gateway, which counts the tenant's requests; it opens nothing by itself.
        created_at: ISO 8601.
    """

    tenant: str
    status: str
    tier: str
    gateway_key: str
    created_at: str


class Tenants:
    """Reads tenants."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str) -> Tenant | None:
        """Return a tenant; None if there is none, or if its keys were made by an older release."""
        item = self._table.get(*tenant_key(tenant))
        return None if item is None else _tenant(item)

    def list(self) -> Sequence[Tenant]:
        """Return all tenants, newest first. The list may be a second old."""
        return [_tenant(item) for item in self._table.listing("TENANT")]


class TenantAdministration(Tenants):
    """Creates, suspends and removes tenants, each with a gateway key of its own.

    Args:
        table: Table of the registry.
        gateway_keys: API Gateway's keys and usage plans.
        now: Returns the time.
    """

    def __init__(self, table: Table, gateway_keys: GatewayKeys, *, now: Clock = utc_now) -> None:
        super().__init__(table)
        self._gateway_keys = gateway_keys
        self._now = now

    def create(self, tenant: str, *, tier: str = DEFAULT_TIER) -> Tenant:
        """Create a tenant.

        Args:
            tenant: Name.
            tier: Usage plan.

        Raises:
            InvalidUploadError: The name is not valid.
            InputError: There is no such tier.
            ConflictError: The tenant exists.
        """
        if self.get(tenant) is not None:
            raise ConflictError(f"the tenant '{tenant}' exists already")
        return self.ensure(tenant, tier=tier)

    def ensure(self, tenant: str, *, tier: str = DEFAULT_TIER) -> Tenant:
        """Return a tenant; create it if there is none. Idempotent; two callers at once get the same tenant.

        Raises:
            InvalidUploadError: The name is not valid.
            InputError: There is no such tier.
        """
        check_tenant(tenant)
        if tier not in TIERS:
            raise InputError(f"'{tier[:32]}' is no tier: {', '.join(TIERS)} are expected")
        if (existing := self.get(tenant)) is not None:
            return existing
        pk, sk = tenant_key(tenant)
        created_at = self._now().isoformat(timespec="microseconds")
        self._table.put_if_absent(
            {
                "pk": pk,
                "sk": sk,
                "listing": "TENANT",
                "listed_at": f"{created_at}#{tenant}",
                "tenant": tenant,
                "status": "ACTIVE",
                "tier": tier,
                "gateway_key": secrets.token_urlsafe(32),
                "created_at": created_at,
            }
        )
        stored = self._required(tenant)
        self._gateway_keys.create(tenant, stored.gateway_key, stored.tier)
        return stored

    def suspend(self, tenant: str) -> Tenant:
        """Refuse all keys of a tenant, within the seconds that API Gateway caches them. Idempotent.

        Raises:
            NotFoundError: There is no such tenant.
        """
        return self._set_status(tenant, "SUSPENDED")

    def resume(self, tenant: str) -> Tenant:
        """Accept the keys of a suspended tenant again. Idempotent.

        Raises:
            NotFoundError: There is no such tenant.
        """
        return self._set_status(tenant, "ACTIVE")

    def remove(self, tenant: str) -> None:
        """Remove a tenant's record and gateway key; what it owns is deleted before. Idempotent."""
        self._gateway_keys.delete(tenant)
        self._table.delete(*tenant_key(tenant))

    def _set_status(self, tenant: str, status: str) -> Tenant:
        if not self._table.update(*tenant_key(tenant), {"status": status}):
            raise NotFoundError(f"there is no tenant '{tenant}': 'modeldrop tenants list' lists them")
        return self._required(tenant)

    def _required(self, tenant: str) -> Tenant:
        stored = self.get(tenant)
        if stored is None:
            raise NotFoundError(f"there is no tenant '{tenant}': 'modeldrop tenants list' lists them")
        return stored


def _tenant(item: Item) -> Tenant:
    return Tenant(
        tenant=item["tenant"],
        status=item["status"],
        tier=item["tier"],
        gateway_key=item["gateway_key"],
        created_at=item["created_at"],
    )
