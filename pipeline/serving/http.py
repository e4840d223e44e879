"""Requests from API Gateway and responses to it. Standard library only: every function of the API imports it.

It contains the only table of HTTP statuses by error class.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.contracts.errors import (
    ConflictError,
    ForbiddenError,
    InputError,
    InvalidRequestError,
    NotFoundError,
    ObjectNotFoundError,
    TransientError,
    UnauthenticatedError,
)
from pipeline.contracts.object_keys import SMOKE_TEST

__all__ = [
    "Event",
    "InferRequest",
    "Response",
    "authorize_caller",
    "http_status",
    "make_error_response",
    "make_response",
    "parse_infer_request",
]

Event = Mapping[str, Any]
Response = dict[str, Any]

_STATUS: dict[type[BaseException], int] = {
    InputError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ObjectNotFoundError: 500,  # a stored object is missing: not the caller's error
    ConflictError: 409,
    TransientError: 503,
    BaseException: 500,
}
_INFER_PATH = re.compile(r"/v2/models/([A-Za-z0-9_.-]{1,32})(?:/versions/([0-9]{1,6}))?/infer")
_HEADERS = {"Content-Type": "application/json"}


class InferRequest(NamedTuple):
    """Prediction request.

    Attributes:
        tenant: Tenant of the caller.
        model: Name of the model.
        version: Number of the version; None for the live one.
        allow_unready: Also accept a version that has not passed its smoke test.
        body: Body of the request, JSON.
        ignore_extra: Ignore columns that the model does not read, instead of refusing them.
    """

    tenant: str
    model: str
    version: int | None
    allow_unready: bool
    body: str | bytes
    ignore_extra: bool = False


def parse_infer_request(event: Event) -> InferRequest:
    """Parse API Gateway's event of a prediction request.

    Raises:
        UnauthenticatedError: The request has no caller.
        ForbiddenError: The caller may not predict.
        NotFoundError: The path has no valid model and version.
        InvalidRequestError: The body is missing or not base64 as announced, or a query parameter is invalid.
    """
    tenant = authorize_caller(event, "predict")
    path = _INFER_PATH.search(event["path"])
    if path is None:
        raise NotFoundError("there is no such model or version: a model's name and a version's number are expected")
    model, version = path.groups()
    allow_unready = event["requestContext"]["authorizer"].get("principal") == SMOKE_TEST
    number = int(version) if version else None
    return InferRequest(tenant, model, number, allow_unready, _read_body(event), ignore_extra=_ignores_extra(event))


def authorize_caller(event: Event, permission: str) -> str:
    """Return the caller's tenant.

    Args:
        event: API Gateway's event.
        permission: Required permission.

    Raises:
        UnauthenticatedError: The request has no caller.
        ForbiddenError: The caller lacks the permission.
    """
    authorizer = event["requestContext"].get("authorizer") or {}
    if not authorizer.get("tenant"):
        raise UnauthenticatedError("no caller is known: an API key in the header x-api-key is expected")
    if permission not in authorizer.get("permissions", "").split(","):
        raise ForbiddenError(f"this API key may not do this: one with the permission '{permission}' is expected")
    tenant: str = authorizer["tenant"]
    return tenant


def http_status(error: BaseException) -> int:
    """Return the HTTP status of an error: that of its nearest base class in the table."""
    return next(_STATUS[base] for base in type(error).__mro__ if base in _STATUS)


def make_response(status: int, body: str) -> Response:
    """Return a response with a JSON text as its body."""
    return {"statusCode": status, "headers": _HEADERS, "body": body, "isBase64Encoded": False}


def make_error_response(error: BaseException, request_id: str) -> Response:
    """Return ``{"error": ...}``.

    A caller's error has its own message; for a server error the message only has the request id, to find it in the
    logs.
    """
    status = http_status(error)
    words = str(error)
    if status >= 500:
        reason = "a service is busy, try again" if status == 503 else "internal error"
        words = f"{reason} (request {request_id})"
    return make_response(status, json.dumps({"error": words}))


def _ignores_extra(event: Event) -> bool:
    policy = (event.get("queryStringParameters") or {}).get("extra", "refuse")
    if policy not in ("ignore", "refuse"):
        raise InvalidRequestError("extra: 'ignore' or 'refuse' is expected")
    return bool(policy == "ignore")


def _read_body(event: Event) -> str | bytes:
    body = event.get("body")
    if not isinstance(body, str) or not body:
        raise InvalidRequestError('the body is empty: JSON with "rows" or "inputs" is expected')
    if not event.get("isBase64Encoded"):
        return body
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise InvalidRequestError("the body is not base64, as the event says") from error
