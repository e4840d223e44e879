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


class _Keys(Protocol):
    def resolve(self, key: str) -> _Principal:
        """Raise UnauthenticatedError for a key that is nobody's."""
        ...


class Authorizer:
    """Authorizes requests.

    Args:
        keys: Resolves API keys.
        gateway_key: Opaque key of the usage plan in API Gateway; None without a usage plan.
    """

    def __init__(self, keys: _Keys, gateway_key: str | None) -> None:
        self._keys = keys
        self._gateway_key = gateway_key

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the IAM policy and the context that API Gateway caches for this API key.

        Raises:
            UnauthenticatedError: The key is missing or unknown. API Gateway requires the exact message for a 401: any
                other
                message becomes a 500.
        """
        try:
            caller = self._keys.resolve(_find_key(event))
        except UnauthenticatedError:
            raise UnauthenticatedError("Unauthorized") from None
        policy = {
            "principalId": f"{caller.tenant}/{caller.principal}",
            "policyDocument": _make_policy(_stage_arn(event["methodArn"])),
            "context": {
                "tenant": caller.tenant,
                "principal": caller.principal,
                "permissions": ",".join(caller.permissions),
            },
        }
        return policy | ({"usageIdentifierKey": self._gateway_key} if self._gateway_key else {})


def _find_key(event: Mapping[str, Any]) -> str:
    headers = event.get("headers") or {}
    return next((value for name, value in headers.items() if name.lower() == _HEADER), "")


def _stage_arn(method_arn: str) -> str:
    """Return the ARN of all methods of the stage: the policy is cached per key, not per method."""
    api, stage, *_ = method_arn.split("/")
    return f"{api}/{stage}/*"


def _make_policy(resource: str) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}
