"""Gap: MiniStack ignores some settings of a REST API.

These settings are gateway responses, the source of the API key, and binary media types as SAM escapes them. MiniStack
also responds with the stack trace of a failed function, and decodes a body without a content type as text. API Gateway
treats such a body as JSON, which is a binary media type if these are ``*/*``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.services import apigateway_v1
from ministack.services.cloudformation import provisioners

from pipeline.local.private_names import PrivateName, private_names

__all__ = ["PRIVATE_NAMES", "install"]

PRIVATE_NAMES = (
    PrivateName(module=provisioners, name="_RESOURCE_HANDLERS", keys=("AWS::ApiGateway::RestApi",)),
    *private_names(
        apigateway_v1,
        "_GatewayError(response_type, message, error_type)",
        "_import_rest_api(spec, base_data)",
        "_invoke_lambda_proxy_v1",
        "_media_type_matches(media_type, binary_media_types)",
        "_put_gateway_response(api_id, response_type, data)",
        "_rest_apis",
    ),
    *private_names(provisioners, "_apigw_rest_api_create(logical_id, props, stack_name)"),
)

Document = Mapping[str, Any]

_BAD_GATEWAY = 502
_DEFAULT_MEDIA_TYPE = "application/json"  # API Gateway's default for a request without a type


def install() -> None:
    """Read these settings, and respond to a failed function as API Gateway does."""
    matches = apigateway_v1._media_type_matches
    import_api, create, invoke = (
        apigateway_v1._import_rest_api,
        provisioners._apigw_rest_api_create,
        apigateway_v1._invoke_lambda_proxy_v1,
    )

    def import_with_responses(spec: Document, base_data: Document | None = None) -> str:
        api_id: str = import_api(spec, base_data)
        for kind, response in (spec.get("x-amazon-apigateway-gateway-responses") or {}).items():
            apigateway_v1._put_gateway_response(api_id, kind, response)
        return api_id

    def create_with_settings(logical_id: str, properties: Document, stack: str) -> tuple[str, Document]:
        media_types = [kind.replace("~1", "/") for kind in properties.get("BinaryMediaTypes") or []]
        api_id, attributes = create(logical_id, {**properties, "BinaryMediaTypes": media_types}, stack)
        apigateway_v1._rest_apis[api_id]["apiKeySource"] = properties.get("ApiKeySourceType") or "HEADER"
        return api_id, attributes

    async def invoke_without_details(*args: Any, **options: Any) -> Any:
        response = await invoke(*args, **options)
        if isinstance(response, tuple) and response[0] == _BAD_GATEWAY:
            return apigateway_v1._GatewayError("DEFAULT_5XX", "Internal server error")
        return response

    apigateway_v1._media_type_matches = lambda media_type, types: matches(media_type or _DEFAULT_MEDIA_TYPE, types)
    apigateway_v1._import_rest_api = import_with_responses
    apigateway_v1._invoke_lambda_proxy_v1 = invoke_without_details
    provisioners._apigw_rest_api_create = create_with_settings
    provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::RestApi"]["create"] = create_with_settings
