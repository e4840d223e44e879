"""What comes in through API Gateway, and what goes back. Standard library only: every function of the API shares it.

The one table of the HTTP statuses of errors is here.
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

__all__ = ["Event", "InferRequest", "Response", "error_response", "infer_request", "response", "status_of", "tenant_of"]

Event = Mapping[str, Any]
Response = dict[str, Any]

_STATUS: dict[type[BaseException], int] = {
    InputError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ObjectNotFoundError: 500,  # what we keep is gone: no mistake of the caller's
    ConflictError: 409,
    TransientError: 503,
    BaseException: 500,
}
_INFER_PATH = re.compile(r"/v2/models/([A-Za-z0-9_.-]{1,32})(?:/versions/([0-9]{1,6}))?/infer")
_HEADERS = {"Content-Type": "application/json"}


class InferRequest(NamedTuple):
    """``version`` None is the one under the alias live. ``unproven``: it need not have passed its smoke test.

    ``ignore_extra``: columns that the model does not read are left out, and not refused.
    """

    tenant: str
    model: str
    version: int | None
    unproven: bool
    body: str | bytes
    ignore_extra: bool = False


def infer_request(event: Event) -> InferRequest:
    """Read a prediction's event.

    Raises UnauthenticatedError and ForbiddenError for the caller, NotFoundError for names that nothing can have,
    InvalidRequestError for a body that is not there.
    """
    tenant = tenant_of(event, "predict")
    path = _INFER_PATH.search(event["path"])
    if path is None:
        raise NotFoundError("there is no such model or version: a model's name and a version's number are expected")
    model, version = path.groups()
    unproven = event["requestContext"]["authorizer"].get("principal") == SMOKE_TEST
    number = int(version) if version else None
    return InferRequest(tenant, model, number, unproven, _body(event), ignore_extra=_ignores_extra(event))


def tenant_of(event: Event, permission: str) -> str:
    """The caller's tenant; raise UnauthenticatedError without one, ForbiddenError without the permission."""
    authorizer = event["requestContext"].get("authorizer") or {}
    if not authorizer.get("tenant"):
        raise UnauthenticatedError("no caller is known: an API key in the header x-api-key is expected")
    if permission not in authorizer.get("permissions", "").split(","):
        raise ForbiddenError(f"this API key may not do this: one with the permission '{permission}' is expected")
    tenant: str = authorizer["tenant"]
    return tenant


def status_of(error: BaseException) -> int:
    """The HTTP status of the nearest base class that has one."""
    return next(_STATUS[base] for base in type(error).__mro__ if base in _STATUS)


def response(status: int, body: str) -> Response:
    """``body`` is a JSON text."""
    return {"statusCode": status, "headers": _HEADERS, "body": body, "isBase64Encoded": False}


def error_response(error: BaseException, request_id: str) -> Response:
    """``{"error": ...}``: a caller's mistake in its own words; of what is ours, only where to look for it."""
    status = status_of(error)
    words = str(error)
    if status >= 500:
        reason = "a service is busy, try again" if status == 503 else "internal error"
        words = f"{reason} (request {request_id})"
    return response(status, json.dumps({"error": words}))


def _ignores_extra(event: Event) -> bool:
    policy = (event.get("queryStringParameters") or {}).get("extra", "refuse")
    if policy not in ("ignore", "refuse"):
        raise InvalidRequestError("extra: 'ignore' or 'refuse' is expected")
    return bool(policy == "ignore")


def _body(event: Event) -> str | bytes:
    body = event.get("body")
    if not isinstance(body, str) or not body:
        raise InvalidRequestError('the body is empty: JSON with "rows" or "inputs" is expected')
    if not event.get("isBase64Encoded"):
        return body
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise InvalidRequestError("the body is not base64, as the event says") from error
