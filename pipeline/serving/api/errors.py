"""Responses to failed requests. This module has the only table of HTTP statuses by error class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.contracts.errors import (
    AliasMovedError,
    BodyTooLargeError,
    ConflictError,
    DeadlineExceededError,
    ForbiddenError,
    InputError,
    IntegrityError,
    MethodNotAllowedError,
    ModeldropError,
    NotFoundError,
    ObjectNotFoundError,
    OverloadedError,
    TooManyRowsError,
    TransientError,
    UnauthenticatedError,
    UnsupportedMediaTypeError,
)
from pipeline.contracts.tracebacks import frame_locations
from pipeline.serving.api.messages import HttpResponse

__all__ = [
    "REQUEST_STATUSES",
    "describe_error",
    "describe_server_error",
    "http_status",
    "is_server_error",
    "log_facts",
    "respond_to_error",
    "set_log_facts",
]

_LOG_FACTS = "log_facts"

_STATUS: dict[type[BaseException], int] = {
    InputError: 400,
    BodyTooLargeError: 413,
    TooManyRowsError: 413,
    UnsupportedMediaTypeError: 415,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    MethodNotAllowedError: 405,
    ObjectNotFoundError: 500,  # a stored object is missing: not the caller's error
    ConflictError: 409,
    OverloadedError: 429,
    DeadlineExceededError: 504,
    IntegrityError: 503,
    TransientError: 503,
    BaseException: 500,
}

REQUEST_STATUSES: Mapping[int, str] = {  # HTTP status -> summary of the error class's docstring
    status: (error.__doc__ or "").partition("\n")[0] for error, status in _STATUS.items() if error is not BaseException
} | {500: "Internal error; the message has the request's id."}


def http_status(error: BaseException) -> int:
    """Return the HTTP status of an error: that of its nearest base class in the table."""
    return next(_STATUS[base] for base in type(error).__mro__ if base in _STATUS)


def is_server_error(error: BaseException) -> bool:
    """Return whether the server failed. It then logs the error, whose message may quote confidential data.

    A passed deadline is not such a failure, although its status is 504.
    """
    return 500 <= http_status(error) != 504


def respond_to_error(error: BaseException, request_id: str) -> HttpResponse:
    """Return ``{"error": ...}``; for AliasMovedError also ``current``, the version that the alias points to.

    Args:
        error: Error of the request. The response has the message of a client's error, but not that of a server error,
            which may quote confidential data.
        request_id: Identifies the request in the logs; part of the response to a server error.
    """
    message = f"{describe_server_error(error)} (request {request_id})" if is_server_error(error) else str(error)
    document: dict[str, object] = {"error": message}
    if isinstance(error, AliasMovedError):
        document["current"] = error.details.get("current")
    return HttpResponse(http_status(error), json.dumps(document).encode())


def describe_server_error(error: BaseException) -> str:
    """Return a message about a server error for the caller; the error's own message may quote confidential data."""
    if isinstance(error, IntegrityError):
        return "this version is unhealthy: its file is missing or damaged"
    return "a service is busy, try again" if isinstance(error, TransientError) else "internal error"


def describe_error(error: BaseException) -> dict[str, Any]:
    """Return facts about an error that may be logged: its class and, if unexpected, the locations of its traceback."""
    kind = type(error).__name__
    return {"error": kind} if isinstance(error, ModeldropError) else {"error": kind, "at": frame_locations(error)}


def set_log_facts(error: BaseException, facts: Mapping[str, str]) -> None:
    """Attach facts about the failed request, such as the model, to an error, for logs and metrics."""
    error.__dict__[_LOG_FACTS] = facts


def log_facts(error: BaseException) -> Mapping[str, str]:
    """Return the facts that ``set_log_facts`` attached to an error; empty if there are none."""
    facts: Mapping[str, str] = error.__dict__.get(_LOG_FACTS, {})
    return facts
