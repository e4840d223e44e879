"""Lambda authorizer of API Gateway: find the caller of a request by its credential. Functions check the permissions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.contracts.errors import UnauthenticatedError
from pipeline.serving.credentials import find_credential

if TYPE_CHECKING:
    from pipeline.registry.sign_in.callers import AuthenticatedCaller

__all__ = ["MAX_DECISION_BYTES", "Authorizer"]

MAX_DECISION_BYTES = 8_000  # API Gateway's limit for an authorizer's response is 8 KB


class Authorizer:
    """Authorizes requests.

    Args:
        find_caller: Returns the caller that a credential belongs to; raises UnauthenticatedError if the credential is
            unknown or its tenant is suspended.
        gateway_key: API Gateway's key for tenants without a key of their own; None without a usage plan.
        header: The only header that credentials are read from, in lower case, if API Gateway caches responses by it;
            None to read every credential header.
    """

    def __init__(
        self, find_caller: Callable[[str], AuthenticatedCaller], gateway_key: str | None, *, header: str | None = None
    ) -> None:
        self._find_caller = find_caller
        self._gateway_key = gateway_key
        self._header = header

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the IAM policy and the context that API Gateway caches for this credential.

        An unknown credential, or a credential of a suspended tenant, gets a policy that denies instead of an error: API
        Gateway caches policies but not errors, so only the first of many such requests reads the table. The context's
        ``reason`` is for the response.

        Raises:
            UnauthenticatedError: There is no credential. API Gateway responds with 401 only if the message is exactly
                this one; any other error, such as a token issuer that does not respond, counts as a failure of the
                authorizer.
        """
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        if not (credential := find_credential(headers.get, self._header)):
            raise UnauthenticatedError("Unauthorized")
        stage = _stage_arn(event["methodArn"])
        try:
            caller = self._find_caller(credential)
        except UnauthenticatedError as error:
            denied = _make_policy("Deny", stage)
            return {"principalId": "unknown", "policyDocument": denied, "context": {"reason": error.message}}
        response: dict[str, Any] = {
            "principalId": f"{caller.tenant}/{caller.principal}",
            "policyDocument": _make_policy("Allow", stage),
            "context": {
                "tenant": caller.tenant,
                "principal": caller.principal,
                "permissions": ",".join(caller.permissions),
                "models": ",".join(caller.models),
            },
        }
        if gateway_key := caller.gateway_key or self._gateway_key:
            response["usageIdentifierKey"] = gateway_key
        if shared := _join_shared(caller.shared, MAX_DECISION_BYTES - len(json.dumps(response))):
            response["context"]["shared"] = shared
        return response


def _join_shared(shared: Mapping[str, Sequence[str]], max_bytes: int) -> str:
    """Return the permissions on shared models as one text, cut off where the response would become too large."""
    entries: list[str] = []
    room = max_bytes - len(', "shared": ""')
    for model, permissions in sorted(shared.items()):
        entries.append(f"{model}={'+'.join(permissions)}")
        room -= len(entries[-1]) + 1
        if room < 0:
            return ",".join(entries[:-1])
    return ",".join(entries)


def _stage_arn(method_arn: str) -> str:
    """Return the ARN of all methods of the stage: the policy is cached per credential, not per method."""
    api, stage, *_ = method_arn.split("/")
    return f"{api}/{stage}/*"


def _make_policy(effect: str, resource: str) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}
