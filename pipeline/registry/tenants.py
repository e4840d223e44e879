"""Tenants: their status, and the gateway key that limits their requests. Standard library only, for the authorizer."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.errors import ConflictError, InputError, NotFoundError
from pipeline.contracts.object_keys import check_tenant
from pipeline.contracts.paging.page import MAX_LISTED, Page, collect, iterate, make_page
from pipeline.contracts.ports import CheckRequest, GatewayKeys, Item, PutRequest, Table, TableWrite, UpdateRequest
from pipeline.contracts.table_keys import grant_key, grant_prefix, tenant_deletion_key, tenant_key
from pipeline.registry.roles import ROLES

__all__ = [
    "ACTIVE",
    "DEFAULT_TIER",
    "DELETED",
    "MAX_SHARED",
    "SHARED_ROLES",
    "SUSPENDED",
    "TIERS",
    "SharedModels",
    "Tenant",
    "TenantAdministration",
    "Tenants",
]

ACTIVE = "ACTIVE"
SUSPENDED = "SUSPENDED"
DELETED = "DELETED"  # the tenant is being deleted, or was deleted within the last hour
TIERS = ("basic", "standard", "premium")  # usage plans of the template
DEFAULT_TIER = "standard"
SHARED_ROLES = ("predictor", "reader")  # roles that another tenant may have on a model
MAX_SHARED = 50  # models shared with one tenant; an authorizer's response has at most 8 KB
_ATTEMPTS = 10
_DELETION_REMEMBERED = timedelta(hours=1)  # longer than the 15 minutes that a signed upload is valid


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenant:
    """A tenant.

    Attributes:
        tenant: Name.
        status: ACTIVE, SUSPENDED, or DELETED while it is being deleted; the keys of the last two are refused.
        tier: Usage plan: basic, standard or premium.
        gateway_key: Opaque key of API Gateway, which counts the tenant's requests by it; it grants no access.
        created_at: ISO 8601.
        shared: Roles on models that other tenants share with this one, by ``owner/model``.
    """

    tenant: str
    status: str
    tier: str
    gateway_key: str
    created_at: str
    shared: Mapping[str, str] = field(default_factory=dict)

    @property
    def shared_permissions(self) -> Mapping[str, Sequence[str]]:
        """Return the permissions on shared models, by ``owner/model``."""
        return {model: ROLES[role] for model, role in self.shared.items()}


class Tenants:
    """Reads tenants.

    Args:
        table: Table of the registry.
        now: Returns the current time, UTC.
    """

    def __init__(self, table: Table, *, now: Clock = utc_now) -> None:
        self._table = table
        self._now = now

    def get(self, tenant: str) -> Tenant | None:
        """Return a tenant; None if there is none, or if its keys were made by an older release."""
        item = self._table.get(*tenant_key(tenant))
        return None if item is None else _tenant(item)

    def status(self, tenant: str) -> str | None:
        """Return a tenant's status: DELETED also for an hour after its deletion; None if there is no record of it.

        A tenant without API keys needs no record: anyone with AWS credentials may upload for it.
        """
        if (stored := self.get(tenant)) is not None:
            return stored.status
        deletion = self._table.get(*tenant_deletion_key(tenant))
        is_recent = deletion is not None and deletion["expires_at"] > self._now().timestamp()
        return DELETED if is_recent else None

    def get_all(self, tenants: Sequence[str]) -> Sequence[Tenant]:
        """Return several tenants, in one batch; those that do not exist are left out."""
        return [_tenant(item) for item in self._table.get_all([tenant_key(tenant) for tenant in tenants])]

    def list(self, *, limit: int | None = None) -> Sequence[Tenant]:
        """Return the newest tenants, all of them by default; see ``page``."""
        return collect(lambda count, after: self.page(limit=count, after=after), limit)

    def page(self, *, limit: int, after: str | None = None) -> Page[Tenant]:
        """Return a page of tenants, newest first. The list may be a second old.

        Args:
            limit: Maximum number of tenants.
            after: Position after which the page begins.
        """
        items = self._table.listing("TENANT", limit=limit + 1, before=after or "")
        return make_page(
            items,
            limit,
            position=lambda item: str(item["listed_at"]),
            parse=lambda listed: [_tenant(item) for item in listed],
        )


class SharedModels(Tenants):
    """Shares models with other tenants. A grant is also stored in the grantee's item, which the authorizer reads."""

    def share(self, owner: str, model: str, tenant: str, role: str | None) -> None:
        """Grant another tenant a role on a model, or revoke it; effective within the seconds that callers are cached.

        Args:
            owner: Tenant of the model.
            model: Name of the model.
            tenant: Tenant that is granted the role.
            role: predictor or reader; None revokes it.

        Raises:
            InputError: The tenant is the owner, or the role cannot be granted.
            NotFoundError: There is no such tenant, or no grant to revoke.
            ConflictError: The owner is suspended, 50 models are shared with the tenant already, or other writers were
                first in every attempt.
        """
        if tenant == owner:
            raise InputError("a model cannot be shared with its own tenant: the name of another tenant is expected")
        if role is not None and role not in SHARED_ROLES:
            raise InputError(f"'{role[:32]}' is not a role on a shared model: {' or '.join(SHARED_ROLES)} is expected")
        for _ in range(_ATTEMPTS):
            if self._table.write_all(self._grant(owner, model, tenant, role)):
                return
            if role is not None and ((record := self.get(owner)) is None or record.status != ACTIVE):
                raise ConflictError(f"the tenant '{owner}' is suspended or has no record: it can share no model")
        raise ConflictError(f"others are changing the grants of '{tenant}': try again")

    def grants(self, owner: str, model: str | None = None) -> Mapping[tuple[str, str], str]:
        """Return the roles on an owner's models by model and tenant.

        Args:
            owner: Tenant of the models.
            model: Only this model.
        """
        grants = iterate(lambda after: self.grants_page(owner, model, limit=MAX_LISTED, after=after))
        return {(name, tenant): role for name, tenant, role in grants}

    def grants_page(
        self, owner: str, model: str | None = None, *, limit: int, after: str | None = None
    ) -> Page[tuple[str, str, str]]:
        """Return a page of the grants on an owner's models: model, tenant and role, sorted.

        Args:
            owner: Tenant of the models.
            model: Only this model.
            limit: Maximum number of entries to read; a page has fewer grants if some were revoked.
            after: Position after which the page begins.
        """
        pk, prefix = grant_prefix(owner, model)
        start = None if after is None else f"{prefix}{after}"
        return make_page(
            self._table.query(pk, prefix, limit=limit + 1, after=start),
            limit,
            position=lambda item: str(item["sk"]).removeprefix(prefix),
            parse=lambda items: [(item["model"], item["tenant"], item["role"]) for item in items if "role" in item],
        )

    def _grant(self, owner: str, model: str, tenant: str, role: str | None) -> Sequence[TableWrite]:
        """Return the writes that grant a role, or revoke it."""
        if (item := self._table.get(*tenant_key(tenant))) is None:
            raise NotFoundError(f"there is no tenant '{tenant}'")
        name, before = f"{owner}/{model}", item.get("shared")
        after = {shared: granted for shared, granted in (before or {}).items() if shared != name}
        pk, sk = grant_key(owner, model, tenant)
        entry: Item = {"pk": pk, "sk": sk, "model": model, "tenant": tenant}
        change = UpdateRequest(key=tenant_key(tenant), values={"shared": after}, only_if={"shared": before})
        if role is None:
            if name not in (before or {}):
                raise NotFoundError(f"the model '{model}' is not shared with '{tenant}'")
            ended = entry | {"expires_at": int(self._now().timestamp())}  # DynamoDB removes the item
            return [change, PutRequest(item=ended)]
        after[name] = role
        if len(after) > MAX_SHARED:
            raise ConflictError(f"{MAX_SHARED} models are shared with '{tenant}', which is the maximum")
        owner_is_active = CheckRequest(key=tenant_key(owner), only_if={"status": ACTIVE})
        return [change, PutRequest(item=entry | {"role": role}), owner_is_active]


class TenantAdministration(SharedModels):
    """Creates, suspends and removes tenants, each with a gateway key of its own.

    Args:
        table: Table of the registry.
        gateway_keys: API Gateway's keys and usage plans.
        now: Returns the current time, UTC.
    """

    def __init__(self, table: Table, gateway_keys: GatewayKeys, *, now: Clock = utc_now) -> None:
        super().__init__(table, now=now)
        self._gateway_keys = gateway_keys

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
            raise ConflictError(f"the tenant '{tenant}' already exists")
        return self.ensure(tenant, tier=tier)

    def ensure(self, tenant: str, *, tier: str = DEFAULT_TIER) -> Tenant:
        """Return a tenant; create it if there is none. Idempotent; two callers at once get the same tenant.

        Raises:
            InvalidUploadError: The name is not valid.
            InputError: There is no such tier.
        """
        check_tenant(tenant)
        if tier not in TIERS:
            raise InputError(f"'{tier[:32]}' is not a tier: {', '.join(TIERS)} are expected")
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
                "status": ACTIVE,
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
            ConflictError: The tenant is being deleted.
        """
        return self._set_status(tenant, SUSPENDED)

    def resume(self, tenant: str) -> Tenant:
        """Accept the keys of a suspended tenant again. Idempotent.

        Raises:
            NotFoundError: There is no such tenant.
            ConflictError: The tenant is being deleted.
        """
        return self._set_status(tenant, ACTIVE)

    def begin_removal(self, tenant: str) -> Tenant:
        """Refuse all keys and uploads of a tenant that is being deleted. Idempotent.

        Raises:
            NotFoundError: There is no such tenant.
        """
        return self._set_status(tenant, DELETED)

    def forget_grants(self, tenant: str) -> None:
        """Revoke all grants by and to a tenant, so that a later tenant of this name has none. Idempotent."""
        for model, grantee in self.grants(tenant):
            self.share(tenant, model, grantee, None)
        stored = self.get(tenant)
        for name in stored.shared if stored else ():
            owner, _, model = name.partition("/")
            self.share(owner, model, tenant, None)

    def remove(self, tenant: str) -> None:
        """Remove a tenant's record and gateway key, after everything that it owns was deleted. Idempotent.

        The deletion is recorded for an hour, so that uploads that were signed before are refused.
        """
        self._gateway_keys.delete(tenant)
        pk, sk = tenant_deletion_key(tenant)
        expires_at = int((self._now() + _DELETION_REMEMBERED).timestamp())
        self._table.put({"pk": pk, "sk": sk, "expires_at": expires_at})
        self._table.delete(*tenant_key(tenant))

    def _set_status(self, tenant: str, status: str) -> Tenant:
        stored = self._required(tenant)
        if stored.status == DELETED and status != DELETED:
            raise ConflictError(
                f"the tenant '{tenant}' is being deleted: 'modeldrop tenants delete {tenant}' completes the deletion"
            )
        if not self._table.update(*tenant_key(tenant), {"status": status}, only_if={"status": stored.status}):
            raise ConflictError(f"others are changing the tenant '{tenant}': try again")
        return replace(stored, status=status)

    def _required(self, tenant: str) -> Tenant:
        stored = self.get(tenant)
        if stored is None:
            raise NotFoundError(f"there is no tenant '{tenant}': 'modeldrop tenants list' lists them")
        return stored


def _tenant(item: Item) -> Tenant:
    return Tenant(**{entry.name: item[entry.name] for entry in fields(Tenant) if entry.name in item})
