"""Find the caller of a request by its API key."""

from __future__ import annotations

import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Protocol

from pipeline.contracts.errors import UnauthenticatedError
from pipeline.serving.api.messages import Caller

__all__ = ["Authenticator", "FixedKeys", "KeyStore", "OpenAccess", "RegistryKeys", "find_key"]

_HEADER = "x-api-key"
_BEARER = "bearer "
_PERMISSIONS = frozenset({"predict", "read", "publish"})
_MAX_CACHED = 10_000  # keys; unknown ones are cached too, so that guesses do not reach the registry
_MISSING = "no caller is known: an API key in the header x-api-key is expected"


def find_key(get_header: Callable[[str], str | None]) -> str:
    """Return the API key of a request: ``x-api-key``, or the token of ``authorization: Bearer``; empty without one."""
    if key := get_header(_HEADER):
        return key
    authorization = get_header("authorization") or ""
    return authorization[len(_BEARER) :].strip() if authorization.lower().startswith(_BEARER) else ""


class Authenticator(Protocol):
    """Finds callers. Thread-safe."""

    def recall(self, key: str) -> Caller | None:
        """Return the caller if that takes no I/O; None if ``authenticate`` is needed."""
        ...

    def authenticate(self, key: str) -> Caller:
        """Return the caller.

        Raises:
            UnauthenticatedError: The key is missing, unknown, expired or revoked.
        """
        ...


class OpenAccess:
    """Takes every request as one tenant's, with or without a key.

    Args:
        tenant: The tenant.
    """

    def __init__(self, tenant: str) -> None:
        self._caller = Caller(tenant, _PERMISSIONS)

    def recall(self, key: str) -> Caller:
        """Return the caller."""
        return self._caller

    def authenticate(self, key: str) -> Caller:
        """Return the caller."""
        return self._caller


class FixedKeys:
    """Accepts the keys that the server was started with.

    Args:
        keys: API keys in plain text.
        tenant: Tenant of their callers.
    """

    def __init__(self, keys: Collection[str], tenant: str) -> None:
        self._keys = [key.encode() for key in keys]
        self._caller = Caller(tenant, _PERMISSIONS)

    def recall(self, key: str) -> Caller | None:
        """Return the caller of a valid key; None for any other."""
        sent = key.encode()
        matches = [hmac.compare_digest(sent, accepted) for accepted in self._keys]  # as long for each key
        return self._caller if any(matches) else None

    def authenticate(self, key: str) -> Caller:
        """Return the caller.

        Raises:
            UnauthenticatedError: The key is missing or unknown.
        """
        caller = self.recall(key)
        if caller is None:
            raise UnauthenticatedError(_MISSING if not key else "this API key is unknown: a valid one is expected")
        return caller


class _Principal(Protocol):
    @property
    def tenant(self) -> str: ...
    @property
    def permissions(self) -> Collection[str]: ...
    @property
    def principal(self) -> str: ...
    @property
    def models(self) -> Collection[str]: ...


class KeyStore(Protocol):
    """API keys of a registry."""

    def resolve(self, key: str) -> _Principal:
        """Return the owner of a key.

        Raises:
            UnauthenticatedError: The key is unknown, expired or revoked.
        """
        ...


class RegistryKeys:
    """Accepts the registry's keys. What it answers about a key, it repeats for some seconds.

    Args:
        keys: The registry's keys.
        seconds: Time until a revoked key is noticed.
        clock: Returns seconds.
    """

    def __init__(self, keys: KeyStore, *, seconds: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._seconds = seconds
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Caller | None]] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, key: str) -> Caller | None:
        """Return the caller of a key that was valid a moment ago; None for any other."""
        until, caller = self._known.get(key, (0.0, None))
        return caller if self._clock() < until else None

    def authenticate(self, key: str) -> Caller:
        """Return the caller.

        Raises:
            UnauthenticatedError: The key is missing, unknown, expired or revoked.
        """
        if not key:
            raise UnauthenticatedError(_MISSING)
        until, caller = self._known.get(key, (0.0, None))
        if self._clock() >= until:
            caller = self._resolve(key)
        if caller is None:
            raise UnauthenticatedError("this API key is unknown or revoked: a valid one is expected")
        return caller

    def _resolve(self, key: str) -> Caller | None:
        try:
            principal = self._keys.resolve(key)
            caller = Caller(
                principal.tenant,
                frozenset(principal.permissions),
                principal=principal.principal,
                models=frozenset(principal.models),
            )
        except UnauthenticatedError:
            caller = None
        with self._lock:
            self._known[key] = self._clock() + self._seconds, caller
            while len(self._known) > _MAX_CACHED:
                self._known.popitem(last=False)
        return caller
