"""Signed requests to one service over kept connections, with retries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from pipeline.cloud.signed.signature import Credentials, sign
from pipeline.contracts.errors import TransientError

__all__ = ["ServiceResponse", "SignedService"]

_ATTEMPTS = 4
_FIRST_WAIT = 0.05  # seconds, doubled for each further attempt
_TIMEOUT = 10.0  # seconds without a byte


class ServiceResponse(NamedTuple):
    """A response of a service.

    Attributes:
        status: HTTP status.
        body: Its whole body.
    """

    status: int
    body: bytes


class SignedService:
    """One service at one endpoint. Thread-safe: each thread keeps a connection.

    Args:
        endpoint_url: Scheme, host and port.
        service: Service as its signature names it.
        region: Region.
        credentials: Whose requests they are.
        sleep: Waits between attempts.
    """

    def __init__(
        self,
        endpoint_url: str,
        *,
        service: str,
        region: str,
        credentials: Credentials,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint = urlsplit(endpoint_url)
        self._service = service
        self._region = region
        self._credentials = credentials
        self._sleep = sleep
        self._thread = threading.local()

    def call(
        self, method: str, path: str, *, resource: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> ServiceResponse:
        """Send a request; repeat it while the service is busy or does not answer.

        Args:
            method: HTTP method.
            path: Path, percent-encoded.
            resource: Name of the called resource, for messages.
            headers: Headers, by name in lower case.
            body: Body.

        Raises:
            TransientError: The service did not answer in any attempt.
        """
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._sleep(_FIRST_WAIT * 2**attempt)
            try:
                response = self._send(method, path, headers or {}, body)
            except (OSError, HTTPException) as error:
                self._thread.connection = None
                failure = type(error).__name__
                continue
            if response.status != 429 and response.status < 500 and b"hrottl" not in response.body[:500]:
                return response
            failure = f"status {response.status}"
        raise TransientError(f"{resource} did not answer ({failure})")

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> ServiceResponse:
        signed = sign(
            method=method, host=self._endpoint.netloc, path=path, headers=headers, body=body,
            service=self._service, region=self._region, credentials=self._credentials, now=datetime.now(UTC),
        )  # fmt: skip
        connection = getattr(self._thread, "connection", None) or self._connect()
        connection.request(method, path, body, signed)
        response = connection.getresponse()
        return ServiceResponse(response.status, response.read())

    def _connect(self) -> HTTPConnection:
        kind = HTTPSConnection if self._endpoint.scheme == "https" else HTTPConnection
        self._thread.connection = kind(self._endpoint.netloc, timeout=_TIMEOUT)
        connection: HTTPConnection = self._thread.connection
        return connection
