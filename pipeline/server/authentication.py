"""Find the caller of a request by its API key or its token."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Collection
from typing import Protocol

from pipeline.contracts.errors import UnauthenticatedError
from pipeline.registry.api_keys import Principal
from pipeline.registry.sign_in.callers import AuthenticatedCaller, is_token
from pipeline.registry.sign_in.recent import CredentialCache
from pipeline.serving.api.messages import Caller

__all__ = ["Authenticator", "FixedKeys", "KeysOrTokens", "OpenAccess", "RegistryKeys"]

_PERMISSIONS = frozenset({"predict", "read", "publish"})
_MISSING = "no caller is known: an API key in the header x-api-key is expected"


class Authenticator(Protocol):
    """Finds callers. Thread-safe."""

    def recall(self, key: str) -> Caller | None:
        """Return the caller if it can be found without I/O; None if ``authenticate`` must be called."""
        ...

    def authenticate(self, key: str) -> Caller:
        """Return the caller.

        Raises:
            UnauthenticatedError: The key is missing, unknown, expired or revoked.
        """
        ...


class OpenAccess:
    """Accepts every request, with or without a key.

    Args:
        tenant: Tenant of all callers.
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
        tenant: Tenant of all callers.
    """

    def __init__(self, keys: Collection[str], tenant: str) -> None:
        self._keys = [key.encode() for key in keys]
        self._caller = Caller(tenant, _PERMISSIONS)

    def recall(self, key: str) -> Caller | None:
        """Return the caller of a valid key; None for any other."""
        sent = key.encode()
        matches = [hmac.compare_digest(sent, accepted) for accepted in self._keys]  # constant time: tests all keys
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


class RegistryKeys:
    """Accepts keys and tokens of a registry, or tokens of an issuer; caches their callers for some seconds.

    Args:
        find_owner: Returns the owner of a credential; raises UnauthenticatedError if it is unknown, expired or revoked,
            TransientError if the issuer of a token does not respond.
        clock: Returns seconds.
    """

    def __init__(
        self,
        find_owner: Callable[[str], Principal | AuthenticatedCaller],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find_owner = find_owner
        self._cache = CredentialCache(self._resolve, clock=clock)

    def recall(self, key: str) -> Caller | None:
        """Return the cached caller of a credential; None if the credential is not cached or was refused."""
        return self._cache.recall(key)

    def authenticate(self, key: str) -> Caller:
        """Return the caller.

        Raises:
            UnauthenticatedError: The credential is missing, unknown, expired or revoked.
            TransientError: The issuer of a token does not respond.
        """
        if not key:
            raise UnauthenticatedError(_MISSING)
        return self._cache.get(key)

    def _resolve(self, credential: str) -> Caller:
        owner = self._find_owner(credential)
        shared = owner.shared if isinstance(owner, AuthenticatedCaller) else {}
        return Caller(
            owner.tenant,
            frozenset(owner.permissions),
            principal=owner.principal,
            models=frozenset(owner.models),
            shared={model: frozenset(granted) for model, granted in shared.items()},
        )


class KeysOrTokens:
    """Accepts the keys of one authenticator and the tokens of another.

    Args:
        keys: Accepts API keys.
        tokens: Accepts tokens.
    """

    def __init__(self, keys: Authenticator, tokens: Authenticator) -> None:
        self._keys = keys
        self._tokens = tokens

    def recall(self, key: str) -> Caller | None:
        """Return the caller of a key or a token that can be found without I/O; None for any other credential."""
        return self._keys.recall(key) or self._tokens.recall(key)

    def authenticate(self, key: str) -> Caller:
        """Return the caller.

        Raises:
            UnauthenticatedError: The credential is missing, unknown, expired or revoked.
            TransientError: The issuer of a token does not respond.
        """
        return (self._tokens if is_token(key) else self._keys).authenticate(key)
