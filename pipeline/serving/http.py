"""Read requests of API Gateway and write its responses. Every API function imports this: standard library only."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from pipeline.contracts.errors import InvalidRequestError, UnauthenticatedError
from pipeline.contracts.object_keys import SMOKE_TEST
from pipeline.serving.api.errors import describe_error, log_facts, respond_to_error
from pipeline.serving.api.messages import JSON, Caller, HttpRequest, HttpResponse
from pipeline.serving.cors import CorsPolicy

__all__ = [
    "Event",
    "Response",
    "authorize_caller",
    "find_caller",
    "make_error_response",
    "read_request",
    "respond_to_event",
    "write_response",
]

Event = Mapping[str, Any]
Response = dict[str, Any]

_BINARY = frozenset({"application/octet-stream"})  # responses of all other content types are UTF-8


def read_request(event: Event) -> HttpRequest:
    """Return the request in API Gateway's event.

    A request without the header Accept gets JSON, because API Gateway would not decode a base64 response to it.

    Raises:
        InvalidRequestError: The body is not base64, although the event says so.
    """
    headers = _read_headers(event)
    headers.setdefault("accept", JSON["content-type"])
    return HttpRequest(
        event["httpMethod"], event["path"], _read_body(event), headers, event.get("queryStringParameters") or {}
    )


def find_caller(event: Event) -> Caller:
    """Return the caller that the authorizer found.

    Raises:
        UnauthenticatedError: The authorizer found no caller.
    """
    authorizer = event["requestContext"].get("authorizer") or {}
    if not authorizer.get("tenant"):
        raise UnauthenticatedError("no caller is known: an API key in the header x-api-key is expected")
    permissions = frozenset(authorizer.get("permissions", "").split(","))
    principal = authorizer.get("principal", "")
    models = frozenset(filter(None, authorizer.get("models", "").split(",")))
    shared = {
        model: frozenset(granted.split("+"))
        for model, _, granted in (entry.partition("=") for entry in authorizer.get("shared", "").split(",") if entry)
    }
    return Caller(authorizer["tenant"], permissions, principal == SMOKE_TEST, principal, models, shared)


def authorize_caller(event: Event, permission: str, model: str | None = None, *, owner: str = "") -> str:
    """Check the caller's permission; return its tenant, or the tenant that shares the model with it.

    Args:
        event: API Gateway's event.
        permission: Required permission.
        model: Model that the permission is required for; None if the request is about no particular model.
        owner: Tenant that owns the model; empty for the caller's own.

    Raises:
        UnauthenticatedError: The request has no caller.
        NotFoundError: The caller may not see the model.
        ForbiddenError: The caller lacks the permission.
    """
    caller = find_caller(event).for_owner(owner, model or "")
    caller.require(permission, model)
    return caller.tenant


def write_response(response: HttpResponse) -> Response:
    """Return the response in API Gateway's format, with binary data as base64."""
    is_binary = response.headers["content-type"] in _BINARY
    return {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "body": base64.b64encode(response.body).decode() if is_binary else response.body.decode(),
        "isBase64Encoded": is_binary,
    }


def make_error_response(error: BaseException, request_id: str) -> Response:
    """Return the response of ``respond_to_error`` in API Gateway's format."""
    return write_response(respond_to_error(error, request_id))


def respond_to_event(
    event: Event,
    context: Any,
    *,
    respond: Callable[[Any, Any], tuple[Response, Mapping[str, Any]]],
    log: Callable[[Any, dict[str, Any]], None],
    cors: CorsPolicy,
) -> Response:
    """Respond to an API request, and log it; never raise.

    Args:
        event: API Gateway's event.
        context: Lambda's context.
        respond: Takes event and context; returns the response and the fields to log.
        log: Takes the context and the fields to log.
        cors: Origins whose pages may read the response.
    """
    began = perf_counter()
    if event.get("httpMethod") == "OPTIONS":
        return write_response(cors.preflight(_read_headers(event)))
    fields: Mapping[str, Any]
    try:
        response, fields = respond(event, context)
    except Exception as error:  # noqa: BLE001 - the outermost edge
        response = make_error_response(error, context.aws_request_id)
        fields = {**describe_error(error), **log_facts(error)}
    log(context, {**fields, "status": response["statusCode"], "milliseconds": 1e3 * (perf_counter() - began)})
    headers = event.get("headers") or {}
    origin = headers.get("origin") or headers.get("Origin")
    return {**response, "headers": {**response["headers"], **cors.headers(origin)}} if origin else response


def _read_headers(event: Event) -> dict[str, str]:
    """Return the headers by name in lower case."""
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def _read_body(event: Event) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode(errors="surrogatepass")  # the decoder refuses a lone surrogate: it is not UTF-8
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise InvalidRequestError("the body is not base64, as the event says") from error
