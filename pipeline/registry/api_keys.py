"""API keys: shown once, stored hashed, revocable. Standard library only: the authorizer loads it on a cold start."""

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

_PREFIX_LENGTH = 11  # "md_" and 8 of the 43 characters: enough to tell keys apart, not to guess one


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who calls. ``permissions`` are among read, predict."""

    tenant: str
    principal: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """A key as it is listed; ``prefix`` names it, times are ISO 8601."""

    prefix: str
    tenant: str
    principal: str
    permissions: tuple[str, ...]
    created_at: str
    revoked_at: str | None = None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ApiKeys:
    """The keys of all tenants, found by their SHA-256: a 256-bit random key needs no salt and no slow hash."""

    def __init__(self, table: Table, *, now: Callable[[], datetime] = _utc_now) -> None:
        self._table = table
        self._now = now

    def create(
        self, tenant: str, principal: str = "default", *, permissions: Sequence[str] = ("predict", "read")
    ) -> str:
        """A new key in plain text, shown this once.

        Raise InvalidUploadError when ``tenant`` is no tenant's name, ForbiddenError for a principal of our own.
        """
        check_tenant(tenant)
        if principal == SMOKE_TEST:
            raise ForbiddenError(f"'{SMOKE_TEST}' is the pipeline's own principal: another name is expected")
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
        """Whose key it is; raise UnauthenticatedError when it is nobody's, or was revoked."""
        item = self._table.get(*api_key_key(_sha256(key)))
        if item is None or "revoked_at" in item:
            raise UnauthenticatedError("the API key is not known: a valid one in the header x-api-key is expected")
        return Principal(tenant=item["tenant"], principal=item["principal"], permissions=tuple(item["permissions"]))

    def list(self, tenant: str | None = None) -> list[ApiKey]:
        """Newest first, revoked ones too; it may be a second behind."""
        return [_api_key(item) for item in self._table.listing("KEY") if tenant in (None, item["tenant"])]

    def revoke(self, prefix: str) -> None:
        """Refuse the key from now on; raise NotFoundError when no valid key has this prefix."""
        items = [i for i in self._table.listing("KEY") if i["prefix"] == prefix and "revoked_at" not in i]
        if not items:
            raise NotFoundError(
                "there is no valid key of this prefix: one that 'modeldrop keys list' shows is expected"
            )
        for item in items:
            self._table.update(item["pk"], item["sk"], {"revoked_at": self._time()})

    def _time(self) -> str:
        return self._now().isoformat(timespec="microseconds")  # always as long, so that text sorts as time does


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
