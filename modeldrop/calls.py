"""Requests and their responses, without I/O.

An operation is a generator, as httpx's flows of authentication are: it yields a step and is sent the outcome. Client
and AsyncClient execute the steps, each in its way, so that each operation is written once.
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
_FIRST_WAIT, _MAX_WAIT = 0.2, 30.0  # seconds: where the API does not say, doubled after each attempt; at most
_REFUSED = frozenset({429, 503})  # the request was not carried out
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
        idempotent: Whether it may be carried out twice.
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
    """A step: call a function that would block an event loop; its outcome is what the function returns."""

    function: Callable[[], Any]


Step = ApiCall | Pause | Work
Steps = Generator[Step, Any, T]


def in_thread(function: Callable[[], T]) -> Steps[T]:
    """Return what a function returns that would block an event loop."""
    result: T = yield Work(function)
    return result


def send(call: ApiCall) -> Steps[httpx.Response]:
    """Send a request, again while the API is busy, and return the response.

    Raises:
        ApiError: There is none.
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
        fields: Fields that the object has.

    Raises:
        ApiError: There is no response, or it is a refusal or another document.
    """
    return read_response((yield from send(call)), *fields)


def read_response(response: httpx.Response, *fields: str) -> dict[str, Any]:
    """Return the JSON object of a response.

    Args:
        response: Response of the API.
        fields: Fields that the object has.

    Raises:
        ApiError: It is a refusal, in the API's own words, or another document.
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
    """Return where rows are posted; without a version to the live one, or the one of ``name@alias``; another
    tenant's model is ``owner/name``.
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
    """Return the seconds that the API says, or those of the attempt."""
    advice = outcome.headers.get("retry-after", "") if isinstance(outcome, httpx.Response) else ""
    return min(float(advice), _MAX_WAIT) if advice.isdigit() else _FIRST_WAIT * 2.0**attempt
