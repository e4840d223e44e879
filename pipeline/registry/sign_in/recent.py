"""Cache the results of authentication for some seconds. Standard library only."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from pipeline.contracts.errors import UnauthenticatedError

__all__ = ["CredentialCache"]

_T = TypeVar("_T")
_MAX_CACHED = 10_000  # credentials; refused ones are cached too, so that repeating one does not reach the registry
_MAX_UNHASHED = 128  # characters; a longer credential is cached by its SHA-256, since a header may have kilobytes


class CredentialCache(Generic[_T]):
    """Caches the caller of each credential, or its refusal. Thread-safe.

    Args:
        find: Returns the caller of a credential; raises UnauthenticatedError, which is cached too.
        seconds: Lifetime of an entry, after which a revoked credential is noticed.
        clock: Returns seconds.
    """

    def __init__(
        self, find: Callable[[str], _T], *, seconds: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._find = find
        self._seconds = seconds
        self._clock = clock
        self._entries: OrderedDict[str | bytes, tuple[float, _T | None, str]] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, credential: str) -> _T | None:
        """Return the cached caller; None if none is cached or the credential was refused."""
        until, value, _ = self._entries.get(_shorten(credential), (0.0, None, ""))
        return value if self._clock() < until else None

    def get(self, credential: str) -> _T:
        """Return the caller of a credential, from the cache if possible.

        Raises:
            UnauthenticatedError: The credential is refused, or its cached entry is a refusal.
        """
        key = _shorten(credential)
        until, value, refusal = self._entries.get(key, (0.0, None, ""))
        if self._clock() >= until:
            try:
                value, refusal = self._find(credential), ""
            except UnauthenticatedError as error:
                value, refusal = None, error.message
            self._store(key, value, refusal)
        if value is None:
            raise UnauthenticatedError(refusal)
        return value

    def _store(self, key: str | bytes, value: _T | None, refusal: str) -> None:
        with self._lock:
            self._entries.pop(key, None)
            self._entries[key] = self._clock() + self._seconds, value, refusal
            while len(self._entries) > _MAX_CACHED:
                self._entries.popitem(last=False)


def _shorten(credential: str) -> str | bytes:
    """Return the cache key of a credential."""
    if len(credential) <= _MAX_UNHASHED:
        return credential
    return hashlib.sha256(credential.encode(errors="surrogatepass")).digest()
