"""API keys: shown once, stored as a hash, revocable. Standard library only: the authorizer imports it when cold."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.contracts.errors import ForbiddenError, NotFoundError, UnauthenticatedError
from pipeline.contracts.object_keys import SMOKE_TEST, check_tenant
from pipeline.contracts.ports import Item, Table
from pipeline.contracts.table_keys import api_key_key

__all__ = ["ApiKey", "ApiKeys", "Principal"]

_PREFIX_LENGTH = 11  # "md_" and 8 of 43 characters: identifies a key, and does not help to guess it


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Caller of the API.

    Attributes:
        tenant: Tenant that the caller belongs to.
        principal: Name of the caller.
        permissions: Any of ``read`` and ``predict``.
    """

    tenant: str
    principal: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """API key without its secret.

    Attributes:
        prefix: First characters of the key; identifies it.
        tenant: Tenant of the caller.
        principal: Name of the caller.
        permissions: Any of ``read`` and ``predict``.
        created_at: ISO 8601.
        revoked_at: ISO 8601; None while the key is valid.
    """

    prefix: str
    tenant: str
    principal: str
    permissions: tuple[str, ...]
    created_at: str
    revoked_at: str | None = None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ApiKeys:
    """API keys of all tenants, stored by SHA-256: a random 256-bit key needs no salt and no slow hash."""

    def __init__(self, table: Table, *, now: Callable[[], datetime] = _utc_now) -> None:
        self._table = table
        self._now = now

    def create(
        self, tenant: str, principal: str = "default", *, permissions: Sequence[str] = ("predict", "read")
    ) -> str:
        """Create a key and return it in plain text; it cannot be shown again.

        Args:
            tenant: Tenant of the caller.
            principal: Name of the caller.
            permissions: Any of ``read`` and ``predict``.

        Raises:
            InvalidUploadError: ``tenant`` is not a valid tenant name.
            ForbiddenError: ``principal`` is reserved for the pipeline.
        """
        check_tenant(tenant)
        if principal == SMOKE_TEST:
            raise ForbiddenError(f"'{SMOKE_TEST}' is reserved for the pipeline: choose another name")
        key = f"md_{secrets.token_urlsafe(32)}"
        pk, sk = api_key_key(_sha256(key))
        created_at = self._time()
        self._table.put(
            {
                "pk": pk,
                "sk": sk,
                "listing": "KEY",
                "listed_at": created_at,
                "tenant": tenant,
                "principal": principal,
                "permissions": list(permissions),
                "prefix": key[:_PREFIX_LENGTH],
                "created_at": created_at,
            }
        )
        return key

    def resolve(self, key: str) -> Principal:
        """Return the caller that a key belongs to.

        Raises:
            UnauthenticatedError: The key is unknown or revoked.
        """
        item = self._table.get(*api_key_key(_sha256(key)))
        if item is None or "revoked_at" in item:
            raise UnauthenticatedError("the API key is unknown or revoked: send a valid one in the header x-api-key")
        return Principal(tenant=item["tenant"], principal=item["principal"], permissions=tuple(item["permissions"]))

    def list(self, tenant: str | None = None) -> list[ApiKey]:
        """Return keys, newest first, revoked ones included. The list may be a second old.

        Args:
            tenant: Keys of one tenant; by default those of all.
        """
        return [_api_key(item) for item in self._table.listing("KEY") if tenant in (None, item["tenant"])]

    def revoke(self, prefix: str) -> None:
        """Revoke the valid keys with this prefix.

        Raises:
            NotFoundError: No valid key has the prefix.
        """
        items = [i for i in self._table.listing("KEY") if i["prefix"] == prefix and "revoked_at" not in i]
        if not items:
            raise NotFoundError("no valid API key has this prefix: 'modeldrop keys list' shows the prefixes")
        for item in items:
            self._table.update(item["pk"], item["sk"], {"revoked_at": self._time()})

    def _time(self) -> str:
        return self._now().isoformat(timespec="microseconds")  # fixed length, so that text sorts like time


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _api_key(item: Item) -> ApiKey:
    return ApiKey(
        prefix=item["prefix"],
        tenant=item["tenant"],
        principal=item["principal"],
        permissions=tuple(item["permissions"]),
        created_at=item["created_at"],
        revoked_at=item.get("revoked_at"),
    )
