"""Gaps: MiniStack takes the usage plan's API key only from the header, and a denial has no context.

With ApiKeySourceType AUTHORIZER, API Gateway uses the key that the authorizer returns (usageIdentifierKey). A gateway
response may quote the authorizer's reason for a denial ($context.authorizer.reason).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from ministack.services import apigateway_v1

from pipeline.local.private_names import private_names

__all__ = ["PRIVATE_NAMES", "install"]

PRIVATE_NAMES = private_names(
    apigateway_v1,
    "_api_key_from_request(headers)",
    "_authorize_request_v1(api_id, stage_name, method_obj, method, request_path, resource, "
    "headers, body, query_params, path_params, stage, owner_account_id, owner_region)",
    "_invoke_authorizer_lambda(authorizer, event, account_id, region)",
    "_rest_apis",
    "_evaluate_policy(policy_doc, method_arn)",
    "_gateway_error_response(error, request)",
)

_IN_CONTEXT = "usageIdentifierKey"  # stored in the authorizer's context, which MiniStack caches
_REASON = "reason"  # stored in the policy of a denial: MiniStack caches it, but drops the context
_reason: ContextVar[str] = ContextVar("reason", default="")
_HEADER = object()
_key: ContextVar[Any] = ContextVar("key", default=_HEADER)


def install() -> None:
    """Use the authorizer's key if the API's key source is the authorizer, and its reason in denials."""
    invoke, authorize, from_header = (
        apigateway_v1._invoke_authorizer_lambda,
        apigateway_v1._authorize_request_v1,
        apigateway_v1._api_key_from_request,
    )

    async def invoke_and_store_key(*args: Any) -> Any:
        result = await invoke(*args)
        policy = (result or {}).get("body")
        if not isinstance(policy, dict):
            return result
        reason = (policy.get("context") or {}).get(_REASON)
        if reason and isinstance(policy.get("policyDocument"), dict):
            policy = {**policy, "policyDocument": {**policy["policyDocument"], _REASON: reason}}
        if _IN_CONTEXT not in policy:
            return {**result, "body": policy}
        context = {**(policy.get("context") or {}), _IN_CONTEXT: policy[_IN_CONTEXT]}
        return {**result, "body": {**policy, "context": context}}

    async def authorize_and_read_key(api_id: str, *args: Any) -> tuple[Any, Any]:
        error, context = await authorize(api_id, *args)
        context = dict(context) if context is not None else None
        key = context.pop(_IN_CONTEXT, None) if context is not None else None
        from_authorizer = apigateway_v1._rest_apis[api_id].get("apiKeySource") == "AUTHORIZER"
        _key.set(key if from_authorizer else _HEADER)
        return error, context

    def key_of(headers: Mapping[str, str]) -> Any:
        stored_key = _key.get()
        return from_header(headers) if stored_key is _HEADER else stored_key

    def evaluate_and_store_reason(policy_doc: Any, method_arn: str) -> Any:
        _reason.set(policy_doc.get(_REASON, "") if isinstance(policy_doc, dict) else "")
        return evaluate(policy_doc, method_arn)

    def respond_with_reason(error: Any, request: Mapping[str, Any]) -> Any:
        status, response_headers, body = respond(error, request)
        return status, response_headers, body.replace(b"$context.authorizer.reason", _reason.get().encode())

    evaluate, respond = apigateway_v1._evaluate_policy, apigateway_v1._gateway_error_response
    apigateway_v1._evaluate_policy = evaluate_and_store_reason
    apigateway_v1._gateway_error_response = respond_with_reason
    apigateway_v1._invoke_authorizer_lambda = invoke_and_store_key
    apigateway_v1._authorize_request_v1 = authorize_and_read_key
    apigateway_v1._api_key_from_request = key_of
