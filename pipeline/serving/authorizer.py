"""Whose key a request bears, as API Gateway wants to hear it. What the caller may do is for the functions to decide."""

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
    """``gateway_key`` is the opaque key that carries the usage plan; None where there is none."""

    def __init__(self, keys: _Keys, gateway_key: str | None) -> None:
        self._keys = keys
        self._gateway_key = gateway_key

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The policy and the context that API Gateway keeps for this key.

        Raises UnauthenticatedError, worded as API Gateway wants it for a 401: any other message is a 500.
        """
        try:
            caller = self._keys.resolve(_key(event))
        except UnauthenticatedError:
            raise UnauthenticatedError("Unauthorized") from None
        policy = {
            "principalId": f"{caller.tenant}/{caller.principal}",
            "policyDocument": _allow(_whole_stage(event["methodArn"])),
            "context": {
                "tenant": caller.tenant,
                "principal": caller.principal,
                "permissions": ",".join(caller.permissions),
            },
        }
        return policy | ({"usageIdentifierKey": self._gateway_key} if self._gateway_key else {})


def _key(event: Mapping[str, Any]) -> str:
    headers = event.get("headers") or {}
    return next((value for name, value in headers.items() if name.lower() == _HEADER), "")


def _whole_stage(method_arn: str) -> str:
    """The answer is kept for a key, not for a method: arn:...:API/STAGE/METHOD/PATH -> arn:...:API/STAGE/*."""
    api, stage, *_ = method_arn.split("/")
    return f"{api}/{stage}/*"


def _allow(resource: str) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}
