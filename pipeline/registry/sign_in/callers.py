"""Find the caller of an API key or a token. Standard library only: the authorizer imports it when cold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.contracts.errors import UnauthenticatedError
from pipeline.registry.api_keys import Principal
from pipeline.registry.tenants import ACTIVE, Tenant

__all__ = ["AuthenticatedCaller", "Callers", "is_token"]


class _Credentials(Protocol):
    def resolve(self, credential: str) -> Principal:
        """Return the caller of a credential.

        Raises:
            UnauthenticatedError: The credential is invalid.
        """
        ...


class _Tenants(Protocol):
    def get(self, tenant: str) -> Tenant | None:
        """Return a tenant; None if there is none."""
        ...

    def get_all(self, tenants: Sequence[str]) -> Sequence[Tenant]:
        """Return those of the tenants that exist."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthenticatedCaller:
    """A caller whose tenant is active.

    Attributes:
        tenant: Tenant of the caller.
        principal: Name of the caller within the tenant.
        permissions: Any of ``read``, ``predict``, ``publish`` and ``manage``.
        models: Models that the caller may see; empty for all of the tenant.
        shared: Permissions on models that active tenants share with the caller's tenant, by ``owner/model``; empty for
            a caller that may see only some models.
        gateway_key: API Gateway's key that counts the tenant's requests; None for a tenant without a record.
    """

    tenant: str
    principal: str
    permissions: Sequence[str]
    models: Sequence[str]
    shared: Mapping[str, Sequence[str]]
    gateway_key: str | None


def is_token(credential: str) -> bool:
    """Return whether a credential has the form of a JWT; an API key has no dots."""
    return credential.count(".") == 2


class Callers:
    """Finds callers by their API key or token.

    Args:
        keys: API keys.
        tenants: Tenants; a suspended one has no callers and shares nothing.
        make_tokens: Makes the verifier of tokens, when the first token arrives; None to accept no tokens.
    """

    def __init__(
        self, keys: _Credentials, tenants: _Tenants, make_tokens: Callable[[], _Credentials] | None = None
    ) -> None:
        self._keys = keys
        self._tenants = tenants
        self._make_tokens = make_tokens
        self._tokens: _Credentials | None = None

    def resolve(self, credential: str) -> AuthenticatedCaller:
        """Return the caller of a credential.

        Raises:
            UnauthenticatedError: The credential is invalid, its tenant is suspended, or a token's tenant does not
                exist.
            TransientError: The issuer of a token does not respond.
        """
        by_token = is_token(credential)
        principal = (self._token_verifier() if by_token else self._keys).resolve(credential)
        tenant = self._tenants.get(principal.tenant)
        if by_token and (tenant is None or tenant.status != ACTIVE):
            raise UnauthenticatedError("the token's tenant is unknown or suspended")
        if tenant is not None and tenant.status != ACTIVE:
            raise UnauthenticatedError("the tenant of this API key is suspended")
        return AuthenticatedCaller(
            tenant=principal.tenant,
            principal=principal.principal,
            permissions=principal.permissions,
            models=principal.models,
            shared={} if tenant is None or principal.models else self._shared_by_active(tenant),
            gateway_key=None if tenant is None else tenant.gateway_key,
        )

    def _token_verifier(self) -> _Credentials:
        if self._make_tokens is None:
            raise UnauthenticatedError("tokens are not accepted here: an API key in the header x-api-key is expected")
        if self._tokens is None:
            self._tokens = self._make_tokens()
        return self._tokens

    def _shared_by_active(self, tenant: Tenant) -> dict[str, Sequence[str]]:
        """Return the models shared with a tenant, except those whose owner is suspended or deleted."""
        shared = tenant.shared_permissions
        owners = sorted({model.partition("/")[0] for model in shared})
        stored = self._tenants.get_all(owners) if owners else ()
        active = {owner.tenant for owner in stored if owner.status == ACTIVE}
        return {model: granted for model, granted in shared.items() if model.partition("/")[0] in active}
