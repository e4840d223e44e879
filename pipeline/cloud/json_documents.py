"""Fetch JSON documents from public addresses, such as an issuer's keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from pipeline.contracts.errors import TransientError

__all__ = ["fetch_json"]

_TIMEOUT = 3.0  # seconds; the whole authorizer function has 10
_MAX_BYTES = 512 << 10


def fetch_json(url: str) -> Mapping[str, Any]:
    """Return the JSON object at a URL. Redirects are not followed: they could lead away from https.

    Raises:
        TransientError: There is no response in 3 seconds, or it is not a JSON object of at most 512 KB.
    """
    address = urlsplit(url)
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = kind(address.netloc, timeout=_TIMEOUT)
    try:
        connection.request("GET", address.path or "/", headers={"accept": "application/json"})
        response = connection.getresponse()
        body = response.read(_MAX_BYTES + 1)
    except (OSError, HTTPException) as error:
        raise TransientError(f"{address.hostname} does not answer ({type(error).__name__})") from error
    finally:
        connection.close()
    if response.status != 200 or len(body) > _MAX_BYTES:
        raise TransientError(f"{address.hostname} answers with status {response.status} or too many bytes")
    try:
        document = json.loads(body)
    except ValueError as error:
        raise TransientError(f"{address.hostname} answers with something that is not JSON") from error
    if not isinstance(document, dict):
        raise TransientError(f"{address.hostname} answers with something that is not a JSON object")
    return document
