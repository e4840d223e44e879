"""Send changes as signed HTTP requests to one URL."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from pipeline.contracts.errors import TransientError
from pipeline.contracts.records.change import Change

__all__ = ["Webhook", "sign_body"]

_TIMEOUT = 5.0  # seconds
_WAITS = (1.0, 4.0)  # seconds before the second and the third attempt


class Webhook:
    """A ChangeListener that posts signed JSON, with three attempts.

    Args:
        url: URL to post to; redirects are not followed.
        secret: Shared secret.
        now: Returns the time in seconds since 1970.
        sleep: Waits between attempts.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = urlsplit(url)
        self._secret = secret
        self._now = now
        self._sleep = sleep

    def notify(self, change: Change) -> None:
        """Send a change.

        Raises:
            TransientError: No attempt got a response with a status from 200 to 299.
        """
        body = json.dumps(change.model_dump(mode="json"), separators=(",", ":")).encode()
        for wait in (0.0, *_WAITS):
            if wait:
                self._sleep(wait)
            try:
                status = self._post(body, change.id)
            except (OSError, HTTPException) as error:
                failure = type(error).__name__
                continue
            if 200 <= status < 300:
                return
            failure = f"status {status}"
        raise TransientError(f"the webhook did not accept a change ({failure})")

    def _post(self, body: bytes, change_id: str) -> int:
        timestamp = str(int(self._now()))
        headers = {
            "content-type": "application/json",
            "modeldrop-id": change_id,
            "modeldrop-timestamp": timestamp,
            "modeldrop-signature": sign_body(self._secret, timestamp, body),
        }
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        connection = kind(self._url.netloc, timeout=_TIMEOUT)
        try:
            path = self._url.path or "/"
            connection.request("POST", f"{path}?{self._url.query}" if self._url.query else path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()


def sign_body(secret: str, timestamp: str, body: bytes) -> str:
    """Return ``v1=`` and the HMAC-SHA256, in hexadecimal, of the timestamp, a dot, and the body."""
    return f"v1={hmac.digest(secret.encode(), timestamp.encode() + b'.' + body, 'sha256').hex()}"
