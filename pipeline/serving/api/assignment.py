"""Assign requests to versions by a hash, so that the same request always gets the same version."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

__all__ = ["SESSION_HEADERS", "Position", "request_position"]

SESSION_HEADERS = ("x-session-id", "x-request-id")  # the first of them in a request is hashed instead of its body
Position = Callable[[str], float]  # seed -> position of a request in [0, 1)

_RANGE = 1 << 64


def request_position(
    tenant: str, principal: str, find_header: Callable[[str], str | None], body: bytes | Callable[[], bytes]
) -> Position:
    """Return the function that computes a request's position in [0, 1) from a seed.

    The position is a hash of the caller and of the first header of SESSION_HEADERS, or of the body if the request has
    none of them. The same session, or the same rows, of a caller therefore get the same version throughout a rollout.

    Args:
        tenant: Tenant of the caller.
        principal: Name of the caller within its tenant.
        find_header: Returns a header by its lower-case name; None if it is absent.
        body: Body of the request, or a function that returns it.
    """

    def position(seed: str) -> float:
        session = next(filter(None, map(find_header, SESSION_HEADERS)), None)
        digest = hashlib.blake2b(f"{seed}\0{tenant}\0{principal}\0".encode(), digest_size=8)
        digest.update(session.encode() if session is not None else body if isinstance(body, bytes) else body())
        return int.from_bytes(digest.digest()) / _RANGE

    return position
