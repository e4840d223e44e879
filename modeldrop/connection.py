"""Find the API: by arguments, by environment variables, or the embedded cloud that runs on this machine."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from modeldrop.errors import ClientError

__all__ = ["ApiConnection", "find_connection"]

_MAX_REPEATED = 4_000  # characters of a credential that is sent in two headers: API Gateway allows 10,240 bytes of them


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiConnection:
    """Address of an API, and the credential of its caller.

    Attributes:
        api_url: Base URL.
        api_key: API key or token (JWT) of the caller.
    """

    api_url: str
    api_key: str

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers with the credential: both unless it is too long, since a stack may read only one."""
        authorization = {"authorization": f"Bearer {self.api_key}"}
        return authorization if len(self.api_key) > _MAX_REPEATED else {"x-api-key": self.api_key, **authorization}


def find_connection(api_url: str | None, api_key: str | None, token: str | None = None) -> ApiConnection:
    """Return the connection of a client.

    Args:
        api_url: Base URL; by default ``MODELDROP_API_URL``, then that of the embedded cloud.
        api_key: Key; by default ``MODELDROP_API_KEY``, then that of the embedded cloud.
        token: Token (JWT) instead of a key; by default ``MODELDROP_TOKEN``, if no key is given.

    Raises:
        ClientError: Both a key and a token are given, a URL has no credential, or there is no URL and no embedded cloud
            is running.
    """
    api_url = api_url or os.environ.get("MODELDROP_API_URL")
    if api_key and token:
        raise ClientError("api_key or token is expected, and both are given")
    api_key = api_key or token or os.environ.get("MODELDROP_TOKEN") or os.environ.get("MODELDROP_API_KEY")
    if api_url:
        if not api_key:
            raise ClientError(
                "api_key or token is expected beside api_url, "
                "or MODELDROP_API_KEY or MODELDROP_TOKEN in the environment"
            )
        return ApiConnection(api_url=api_url.rstrip("/"), api_key=api_key)
    home = Path(os.environ.get("MODELDROP_HOME") or Path.home() / ".modeldrop")
    try:
        endpoint_url = json.loads((home / "server.lock").read_bytes())["endpoint_url"]
        stack = json.loads((home / "stack.json").read_bytes())
        key = api_key or (home / "api_key").read_text().strip()
    except (OSError, ValueError, KeyError):
        raise ClientError(
            "no embedded cloud is running ('modeldrop up' starts it): api_url and api_key are expected"
        ) from None
    return ApiConnection(api_url=f"{endpoint_url}{stack['api_path']}".rstrip("/"), api_key=key)
