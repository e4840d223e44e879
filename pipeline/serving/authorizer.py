"""Lambda authorizer of API Gateway: find the caller of a request by its API key. Functions check the permissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pipeline.contracts.errors import UnauthenticatedError

__all__ = ["Authorizer"]

_HEADER = "x-api-key"


class _Principal(Protocol):
    @property
    def tenant(self) -> str: ...
    @property
    def principal(self) -> str: ...
    @property
    def permissions(self) -> Sequence[str]: ...
    @property
    def models(self) -> Sequence[str]: ...


class _Keys(Protocol):
    def resolve(self, key: str) -> _Principal:
        """Find the owner of a key.

        Raises:
            UnauthenticatedError: The key is nobody's.
        """
        ...


class _Tenant(Protocol):
    @property
    def status(self) -> str: ...
    @property
    def gateway_key(self) -> str: ...
    @property
    def shared_permissions(self) -> Mapping[str, Sequence[str]]: ...


class _Tenants(Protocol):
    def get(self, tenant: str) -> _Tenant | None: ...


class Authorizer:
    """Authorizes requests.

    Args:
        keys: Resolves API keys.
        tenants: Status and gateway keys of tenants.
        gateway_key: Key of API Gateway for tenants that have none of their own; None without a usage plan.
    """

    def __init__(self, keys: _Keys, tenants: _Tenants, gateway_key: str | None) -> None:
        self._keys = keys
        self._tenants = tenants
        self._gateway_key = gateway_key

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the IAM policy and the context that API Gateway caches for this API key.

        A key that is unknown, expired or revoked, or of a suspended tenant, is denied rather than raised, since API
        Gateway caches a policy and no error: of many requests with it one reads the table.

        Raises:
            UnauthenticatedError: There is no key. API Gateway requires the exact message for a 401: any other message
                becomes a 500.
        """
        if not (key := _find_key(event)):
            raise UnauthenticatedError("Unauthorized")
        stage = _stage_arn(event["methodArn"])
        try:
            caller = self._keys.resolve(key)
        except UnauthenticatedError:
            return {"principalId": "unknown", "policyDocument": _make_policy("Deny", stage)}
        principal = f"{caller.tenant}/{caller.principal}"
        tenant = self._tenants.get(caller.tenant)
        if tenant is not None and tenant.status != "ACTIVE":
            return {"principalId": principal, "policyDocument": _make_policy("Deny", stage)}
        gateway_key = self._gateway_key if tenant is None else tenant.gateway_key
        shared = {} if tenant is None else tenant.shared_permissions
        policy = {
            "principalId": principal,
            "policyDocument": _make_policy("Allow", stage),
            "context": {
                "tenant": caller.tenant,
                "principal": caller.principal,
                "permissions": ",".join(caller.permissions),
                "models": ",".join(caller.models),
                **({"shared": _join_shared(shared)} if shared else {}),
            },
        }
        return policy | ({"usageIdentifierKey": gateway_key} if gateway_key else {})


def _join_shared(shared: Mapping[str, Sequence[str]]) -> str:
    return ",".join(f"{model}={'+'.join(permissions)}" for model, permissions in sorted(shared.items()))


def _find_key(event: Mapping[str, Any]) -> str:
    headers = event.get("headers") or {}
    return next((value for name, value in headers.items() if name.lower() == _HEADER), "")


def _stage_arn(method_arn: str) -> str:
    """Return the ARN of all methods of the stage: the policy is cached per key, not per method."""
    api, stage, *_ = method_arn.split("/")
    return f"{api}/{stage}/*"


def _make_policy(effect: str, resource: str) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}
