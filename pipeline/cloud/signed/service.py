"""Send signed requests to one service over persistent connections, with retries."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pipeline.cloud.signed.connection import ServiceConnection, ServiceResponse
from pipeline.cloud.signed.signature import Credentials, sign
from pipeline.contracts.errors import TransientError

__all__ = ["SignedService"]

_ATTEMPTS = 4
_FIRST_WAIT = 0.1  # seconds; doubled for each later retry
_TIMEOUT = 10.0  # seconds without a received byte
_MAX_IDLE = 60.0  # seconds by the wall clock, which includes the time of a frozen environment or a snapshot


class SignedService:
    """One service at one endpoint. Thread-safe: concurrent requests use separate connections, which stay open.

    Args:
        endpoint_url: Scheme, host and port.
        service: Name of the service in signatures, such as ``dynamodb``.
        region: Region.
        credentials: Credentials that sign the requests.
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
        self._idle: deque[tuple[ServiceConnection, float]] = deque()  # connection, time of its last response

    def call(
        self, method: str, path: str, *, resource: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> ServiceResponse:
        """Send a request; repeat it while the service is busy or does not respond.

        Args:
            method: HTTP method.
            path: Path, percent-encoded.
            resource: Name of the called resource, for messages.
            headers: Headers, by name in lower case.
            body: Body.

        Raises:
            TransientError: No attempt got a response, or the service was busy in all attempts.
        """
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._sleep(_FIRST_WAIT * 2 ** (attempt - 1))
            try:
                response = self._send(method, path, headers or {}, body)
            except OSError as error:
                failure = type(error).__name__
                continue
            if response.status != 429 and response.status < 500 and b"hrottl" not in response.body[:500]:
                return response
            failure = f"status {response.status}"
        raise TransientError(f"{resource} did not answer ({failure})")

    def close(self) -> None:
        """Close the idle connections; further calls open new ones."""
        while self._idle:
            self._idle.pop()[0].close()

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> ServiceResponse:
        signed = sign(
            method=method, host=self._endpoint.netloc, path=path, headers=headers, body=body,
            service=self._service, region=self._region, credentials=self._credentials, now=datetime.now(UTC),
        )  # fmt: skip
        connection = self._find_idle() or ServiceConnection(self._endpoint, timeout=_TIMEOUT)
        try:
            return connection.request(method, path, signed, body)
        finally:
            self._release(connection)

    def _find_idle(self) -> ServiceConnection | None:
        """Return an idle connection that the server has not closed; None if there is none."""
        while self._idle:
            try:
                connection, since = self._idle.pop()  # the connection used last
            except IndexError:  # another thread took it
                return None
            if 0 <= time.time() - since < _MAX_IDLE and not connection.is_dropped():
                return connection
            connection.close()
        return None

    def _release(self, connection: ServiceConnection) -> None:
        if connection.is_open:
            self._idle.append((connection, time.time()))
        else:
            connection.close()
