"""API keys: shown once, stored as a hash, revocable. Standard library only: the authorizer imports it when cold."""

from __future__ import annotations

import hashlib
import heapq
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.errors import (
    ForbiddenError,
    InputError,
    NotFoundError,
    TransientError,
    UnauthenticatedError,
)
from pipeline.contracts.object_keys import JWT_PREFIX, SMOKE_TEST, check_model, check_tenant
from pipeline.contracts.paging.page import Page, collect, make_page
from pipeline.contracts.ports import Item, PutRequest, Table, UpdateRequest
from pipeline.contracts.table_keys import api_key_key, key_prefix_key, keys_of_tenant
from pipeline.registry.roles import DEFAULT_ROLE, ROLES, check_role, role_of

__all__ = ["MAX_MODELS", "ROTATION_OVERLAP", "ApiKey", "ApiKeys", "Principal"]

ROTATION_OVERLAP = timedelta(days=1)
MAX_MODELS = 100  # models that a caller may be limited to; an authorizer's response has at most 8 KB
_MAX_PRINCIPAL = 200  # characters
_PREFIX_LENGTH = 11  # "md_" and 8 of 43 characters: identifies a key, and does not help to guess it
_LISTING = "API-KEY"
_OLD_LISTING = "KEY"  # keys of an older release, without references in their tenant's list
_MOVED = 500  # keys of an older release that one call migrates


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Caller of the API.

    Attributes:
        tenant: Tenant that the caller belongs to.
        principal: Name of the caller.
        permissions: Any of ``read``, ``predict``, ``publish`` and ``manage``.
        models: Models that the caller may see; empty for all of the tenant.
    """

    tenant: str
    principal: str
    permissions: tuple[str, ...]
    models: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """API key without its secret.

    Attributes:
        prefix: First characters of the key; identifies it.
        tenant: Tenant of the caller.
        principal: Name of the caller.
        role: Role of the caller (registry.roles).
        permissions: Permissions of the role.
        models: Models that the caller may see; empty for all of the tenant.
        created_at: Time of creation, ISO 8601.
        valid_until: Time of expiry, ISO 8601; None if the key does not expire.
        revoked_at: Time of revocation, ISO 8601; None if the key was not revoked.
    """

    prefix: str
    tenant: str
    principal: str
    role: str
    permissions: tuple[str, ...]
    models: tuple[str, ...] = ()
    created_at: str
    valid_until: str | None = None
    revoked_at: str | None = None


class ApiKeys:
    """API keys of all tenants, stored by SHA-256: a random 256-bit key needs no salt and no slow hash."""

    def __init__(self, table: Table, *, now: Clock = utc_now) -> None:
        self._table = table
        self._now = now

    def create(
        self,
        tenant: str,
        principal: str = "default",
        *,
        role: str = DEFAULT_ROLE,
        models: Sequence[str] = (),
        valid_for: timedelta | None = None,
    ) -> str:
        """Create a key and return it in plain text; it cannot be shown again.

        Args:
            tenant: Tenant of the caller.
            principal: Name of the caller.
            role: Role of the caller (registry.roles).
            models: Models that the caller may see, at most 100; empty for all of the tenant.
            valid_for: Time after which the key expires; None for never.

        Raises:
            InvalidUploadError: ``tenant`` or one of the models has no valid name.
            InputError: There is no such role, there are too many models, or the name is too long.
            ForbiddenError: ``principal`` is reserved: for the pipeline, or for tokens.
            TransientError: Another writer was first.
        """
        check_tenant(tenant)
        for model in models:
            check_model(model)
        if len(models) > MAX_MODELS:
            raise InputError(f"a key is limited to at most {MAX_MODELS} models, not {len(models)}")
        if len(principal) > _MAX_PRINCIPAL:
            raise InputError(f"the name of a key's holder has at most {_MAX_PRINCIPAL} characters")
        if principal == SMOKE_TEST or principal.startswith(JWT_PREFIX):
            raise ForbiddenError(f"'{principal}' is reserved, as is any name that begins with '{JWT_PREFIX}'")
        key = f"md_{secrets.token_urlsafe(32)}"
        sha256, prefix = _sha256(key), key[:_PREFIX_LENGTH]
        pk, sk = api_key_key(sha256)
        now = self._now()
        expiry = {} if valid_for is None else {"valid_until": _format_time(now + valid_for)}
        item: Item = {
            "pk": pk,
            "sk": sk,
            "listing": _LISTING,
            "listed_at": f"{_format_time(now)}#{prefix}",
            "tenant": tenant,
            "principal": principal,
            "role": check_role(role),
            "models": [*models],
            "prefix": prefix,
            "created_at": _format_time(now),
            **expiry,
        }
        self.add_references()
        if not self._table.write_all([PutRequest(item=item), *_reference_writes(item)]):
            raise TransientError("the registry is busy: no key was created, try again")
        return key

    def resolve(self, key: str) -> Principal:
        """Return the caller that a key belongs to.

        Raises:
            UnauthenticatedError: The key is unknown, expired or revoked.
        """
        item = self._table.get(*api_key_key(_sha256(key)))
        if item is None or not self._is_valid(item):
            raise UnauthenticatedError(
                "the API key is unknown, expired or revoked: send a valid one in the header x-api-key"
            )
        return Principal(
            tenant=item["tenant"],
            principal=item["principal"],
            permissions=_permissions(item),
            models=tuple(item.get("models", ())),
        )

    def list(self, tenant: str | None = None, *, limit: int | None = None) -> Sequence[ApiKey]:
        """Return the newest keys; see ``page``.

        Args:
            tenant: Keys of one tenant; by default those of all.
            limit: Maximum number of keys; None for all.
        """
        return collect(lambda count, after: self.page(tenant, limit=count, after=after), limit)

    def page(self, tenant: str | None = None, *, limit: int, after: str | None = None) -> Page[ApiKey]:
        """Return a page of keys, newest first, revoked and expired ones included.

        Args:
            tenant: Tenant whose keys to return, strongly consistent; None for the keys of all tenants, which may be a
                second old.
            limit: Maximum number of keys.
            after: Position after which the page begins.
        """
        before = after or ""
        if tenant is None:
            old_keys = self._table.listing(_OLD_LISTING, limit=limit + 1, before=before)
            listed: Sequence[Item] = self._table.listing(_LISTING, limit=limit + 1, before=before)
        else:
            old_keys = [item for item in self._table.listing(_OLD_LISTING, before=before) if item["tenant"] == tenant]
            listed = self._of_tenant(tenant, limit=limit + 1, after=after)
        moved = {item["pk"] for item in listed}  # the index may still list them as keys of an older release
        old_keys = [item for item in old_keys if item["pk"] not in moved]
        merged = heapq.merge(listed, old_keys, key=lambda item: item["listed_at"], reverse=True)
        return make_page(
            list(islice(merged, limit + 1)),
            limit,
            position=lambda item: str(item["listed_at"]),
            parse=lambda items: [_api_key(item) for item in items],
        )

    def find(self, prefix: str) -> ApiKey:
        """Return the valid key with this prefix.

        Raises:
            NotFoundError: No valid key has the prefix.
        """
        return _api_key(self._find_valid(prefix)[0])

    def rotate(self, prefix: str, *, overlap: timedelta = ROTATION_OVERLAP) -> str:
        """Create a key like the valid key with this prefix, and return it; the old key expires after the overlap.

        Args:
            prefix: First characters of the key.
            overlap: Time in which both keys are valid.

        Raises:
            NotFoundError: No valid key has the prefix.
        """
        now = self._now()
        (old, *_) = self._find_valid(prefix)
        lifetime = None
        if "valid_until" in old:
            lifetime = datetime.fromisoformat(old["valid_until"]) - datetime.fromisoformat(old["created_at"])
        rotated = _api_key(old)
        key = self.create(
            rotated.tenant, rotated.principal, role=rotated.role, models=rotated.models, valid_for=lifetime
        )
        ends = min(_format_time(now + overlap), old.get("valid_until", "9"))
        self._table.update(old["pk"], old["sk"], {"valid_until": ends})
        return key

    def revoke(self, prefix: str) -> None:
        """Revoke the valid keys with this prefix.

        Raises:
            NotFoundError: No valid key has the prefix.
        """
        for item in self._find_valid(prefix):
            self._table.update(item["pk"], item["sk"], {"revoked_at": _format_time(self._now())})
        self.add_references()

    def delete_all(self, tenant: str) -> int:
        """Delete the keys of a tenant, and return their number. Idempotent."""
        pk, prefix = keys_of_tenant(tenant)
        references = {(item["key_sha256"], item["sk"].removeprefix(prefix)) for item in self._table.query(pk, prefix)}
        for item in self._table.listing(_OLD_LISTING):
            if item["tenant"] == tenant:
                references.add((item["pk"].removeprefix("KEY#"), item["listed_at"]))
        for key_sha256, listed_at in references:
            self._table.delete(*api_key_key(key_sha256))
            self._table.delete(*key_prefix_key(listed_at.rpartition("#")[2], key_sha256))
            self._table.delete(pk, f"{prefix}{listed_at}")  # last: the other items are found by it
        return len(references)

    def add_references(self, *, limit: int = _MOVED) -> int:
        """Add the references to keys of an older release, and return the number of these keys. Idempotent.

        Each key is one transaction, which writes nothing if another call migrated or deleted the key meanwhile.

        Args:
            limit: Maximum number of keys.
        """
        items = self._table.listing(_OLD_LISTING, limit=limit)
        for item in items:
            moved = UpdateRequest(
                key=(item["pk"], item["sk"]), values={"listing": _LISTING}, only_if={"listing": _OLD_LISTING}
            )
            self._table.write_all([moved, *_reference_writes(item)])
        return len(items)

    def _find_valid(self, prefix: str) -> Sequence[Item]:
        valid = [item for item in self._find(prefix) if self._is_valid(item)]
        if not valid:
            raise NotFoundError("no valid API key has this prefix: 'modeldrop keys list' shows the prefixes")
        return valid

    def _find(self, prefix: str) -> Sequence[Item]:
        """Return the keys with a prefix; if no reference has it, search the keys of an older release."""
        if len(prefix) != _PREFIX_LENGTH:
            return ()
        references = self._table.query(*key_prefix_key(prefix, ""))
        if references:
            return self._table.get_all([api_key_key(item["sk"].removeprefix("KEY#")) for item in references])
        return [item for item in self._table.listing(_OLD_LISTING) if item["prefix"] == prefix]

    def _of_tenant(self, tenant: str, *, limit: int | None = None, after: str | None = None) -> Sequence[Item]:
        """Return the keys of a tenant that have references, newest first."""
        pk, prefix = keys_of_tenant(tenant)
        start = None if after is None else f"{prefix}{after}"
        references = self._table.query(pk, prefix, newest_first=True, limit=limit, after=start)
        return self._table.get_all([api_key_key(reference["key_sha256"]) for reference in references])

    def _is_valid(self, item: Item) -> bool:
        return "revoked_at" not in item and item.get("valid_until", "9") > _format_time(self._now())


def _reference_writes(item: Item) -> Sequence[PutRequest]:
    """Return the writes of a key's references: by its first characters, and in its tenant's list."""
    key_sha256 = item["pk"].removeprefix("KEY#")
    by_prefix, (pk, prefix) = key_prefix_key(item["prefix"], key_sha256), keys_of_tenant(item["tenant"])
    return (
        PutRequest(item={"pk": by_prefix[0], "sk": by_prefix[1]}),
        PutRequest(item={"pk": pk, "sk": f"{prefix}{item['listed_at']}", "key_sha256": key_sha256}),
    )


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _format_time(moment: datetime) -> str:
    """Format as ISO 8601 in UTC with a fixed length, so that text sorts like time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _permissions(item: Item) -> tuple[str, ...]:
    return ROLES[item["role"]] if "role" in item else tuple(item["permissions"])


def _api_key(item: Item) -> ApiKey:
    permissions = _permissions(item)
    values: dict[str, Any] = {field.name: item[field.name] for field in fields(ApiKey) if field.name in item}
    return ApiKey(
        **{
            **values,
            "role": item.get("role") or role_of(permissions),
            "permissions": permissions,
            "models": tuple(item.get("models", ())),
        }
    )
