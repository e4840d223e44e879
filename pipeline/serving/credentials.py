"""Find the credential in the headers of a request. Imports only the standard library."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["API_KEY_HEADER", "AUTHORIZATION", "find_credential"]

API_KEY_HEADER = "x-api-key"
AUTHORIZATION = "authorization"
_BEARER = "bearer "


def find_credential(get_header: Callable[[str], str | None], only: str | None = None) -> str:
    """Return the API key or token of a request; empty if it has none.

    Args:
        get_header: Returns a header by its name in lower case.
        only: Only header to read; by default ``x-api-key`` or, if it is absent, ``authorization: Bearer``.
    """
    if only in (None, API_KEY_HEADER) and (key := get_header(API_KEY_HEADER)):
        return key
    authorization = (get_header(AUTHORIZATION) or "") if only in (None, AUTHORIZATION) else ""
    return authorization[len(_BEARER) :].strip() if authorization.lower().startswith(_BEARER) else ""
