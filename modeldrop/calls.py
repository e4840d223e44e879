"""Requests and their responses, without I/O.

Like an authentication flow of httpx, an operation is a generator: it yields a step and receives the step's outcome.
Client and AsyncClient execute the steps, so that each operation is written only once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from modeldrop.errors import ApiError

__all__ = ["ApiCall", "Pause", "Step", "Steps", "Work", "in_thread", "infer_url", "read", "read_response", "send"]

T = TypeVar("T")
_ATTEMPTS = 4
_FIRST_WAIT, _MAX_WAIT = 0.2, 30.0  # seconds: first wait without retry-after (then doubled); maximum of retry-after
_REFUSED = frozenset({429, 503})  # statuses of requests that the API did not execute
_BUSY = _REFUSED | {502, 504}
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout)


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiCall:
    """A step: one request, whose outcome is a response or httpx's error.

    Attributes:
        method: HTTP method.
        url: Address.
        options: Further arguments of httpx's ``request``.
        presigned: Whether the URL carries a signature, so that no API key is sent.
        idempotent: Whether the request may be executed twice.
    """

    method: str
    url: str
    options: dict[str, Any] = field(default_factory=dict)
    presigned: bool = False
    idempotent: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """A step: wait some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """A step: call a blocking function, whose result is the outcome."""

    function: Callable[[], Any]


Step = ApiCall | Pause | Work
Steps = Generator[Step, Any, T]


def in_thread(function: Callable[[], T]) -> Steps[T]:
    """Call a function that would block an event loop, and return its result."""
    result: T = yield Work(function)
    return result


def send(call: ApiCall) -> Steps[httpx.Response]:
    """Send a request, repeat it while the API is busy, and return the last response.

    Raises:
        ApiError: The API did not respond.
    """
    for attempt in range(_ATTEMPTS):
        outcome: httpx.Response | Exception = yield call
        if attempt + 1 == _ATTEMPTS or not _may_repeat(call, outcome):
            break
        yield Pause(_wait_before_retry(outcome, attempt))
    if isinstance(outcome, Exception):
        address = call.url.partition("?")[0]
        raise ApiError(f"the API at {address} did not answer ({type(outcome).__name__})") from outcome
    return outcome


def read(call: ApiCall, *fields: str) -> Steps[dict[str, Any]]:
    """Send a request and return the JSON object of the response.

    Args:
        call: The request.
        fields: Fields that the object must have.

    Raises:
        ApiError: The API does not respond, refuses the request, or responds with another document.
    """
    return read_response((yield from send(call)), *fields)


def read_response(response: httpx.Response, *fields: str) -> dict[str, Any]:
    """Return the JSON object of a response.

    Args:
        response: Response of the API.
        fields: Fields that the object must have.

    Raises:
        ApiError: The API refused the request (with its message), or responded with another document.
    """
    try:
        document = response.json() if response.content else {}
    except ValueError:
        document = None
    status = f"the API answered {response.status_code} {response.reason_phrase}".rstrip()
    if not response.is_success:
        reason = document.get("error") if isinstance(document, dict) else None
        raise ApiError(str(reason or status), response.status_code)
    if not isinstance(document, dict):
        raise ApiError(f"{status} and no JSON object: is its address right?", response.status_code)
    for name in fields:
        if name not in document:
            raise ApiError(f"{status} without '{name}': is its address right?", response.status_code)
    return document


def infer_url(base: str, model: str, version: int | None = None) -> str:
    """Return the URL to post rows to.

    Args:
        base: URL of the API.
        model: ``name``, ``name@alias``, or ``owner/name`` of a model that another tenant shares.
        version: Number of the version; None for that of the alias, by default ``live``.
    """
    selected = quote(model, safe="@/") if version is None else f"{quote(model, safe='/')}/versions/{version}"
    return f"{base.rstrip('/')}/v2/models/{selected}/infer"


def _may_repeat(call: ApiCall, outcome: httpx.Response | Exception) -> bool:
    if isinstance(outcome, httpx.Response):
        return outcome.status_code in (_BUSY if call.idempotent else _REFUSED)
    if isinstance(outcome, httpx.UnsupportedProtocol):
        return False
    return isinstance(outcome, httpx.TransportError if call.idempotent else _NOT_SENT)


def _wait_before_retry(outcome: httpx.Response | Exception, attempt: int) -> float:
    """Return the seconds of the header ``retry-after``; without it, those of an exponential backoff."""
    advice = outcome.headers.get("retry-after", "") if isinstance(outcome, httpx.Response) else ""
    return min(float(advice), _MAX_WAIT) if advice.isdigit() else _FIRST_WAIT * 2.0**attempt
