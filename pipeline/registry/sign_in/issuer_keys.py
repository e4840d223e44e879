"""Public keys of an issuer of tokens (JWKS, RFC 7517), fetched on demand and cached for an hour."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from pipeline.contracts.errors import ConfigurationError, TransientError, UnauthenticatedError
from pipeline.registry.sign_in.issuer import TokenIssuer, check_url

__all__ = ["FRESH_SECONDS", "REFETCH_SECONDS", "STALE_SECONDS", "FetchJson", "IssuerKeys", "PublicKey"]

FRESH_SECONDS = 3_600.0  # cached keys are fetched again after this time
STALE_SECONDS = 86_400.0  # cached keys stay valid this long while the issuer does not respond
REFETCH_SECONDS = 30.0  # minimum time between two fetches, even if tokens name unknown keys
_MAX_KEYS = 100
_MIN_RSA_BITS = 2_048  # RFC 7518, section 3.3

PublicKey = RSAKey | ECKey
FetchJson = Callable[[str], Mapping[str, Any]]


class IssuerKeys:
    """Finds an issuer's public keys by key ID (``kid``). Thread-safe.

    An unknown key ID triggers a new fetch, at most once in 30 seconds: rotated keys are found, and tokens with made-up
    key IDs cost nothing.

    Args:
        issuer: The issuer.
        fetch: Returns the JSON object at a URL; raises TransientError.
        clock: Returns seconds.
    """

    def __init__(self, issuer: TokenIssuer, fetch: FetchJson, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._fetch_json = fetch
        self._clock = clock
        self._keys: dict[str | None, PublicKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._lock = threading.Lock()

    def find(self, kid: str | None) -> PublicKey:
        """Return a key.

        Args:
            kid: Key ID; None finds the key of an issuer that has only one.

        Raises:
            UnauthenticatedError: The issuer has no such key.
            TransientError: The issuer does not respond, and the key is not cached.
        """
        if self._clock() - self._fetched_at < FRESH_SECONDS and (key := self._recall(kid)) is not None:
            return key
        with self._lock:
            failure = self._refresh(kid)
            key = self._recall(kid) if self._clock() - self._fetched_at < STALE_SECONDS else None
            if key is None and (failure or self._tried_at > self._fetched_at):
                raise TransientError("the issuer of the token does not say its keys: try again") from failure
        if key is None:
            raise UnauthenticatedError("the token is signed with a key that its issuer does not have")
        return key

    def _recall(self, kid: str | None) -> PublicKey | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _refresh(self, kid: str | None) -> TransientError | None:
        now = self._clock()
        is_fresh = now - self._fetched_at < FRESH_SECONDS and self._recall(kid) is not None
        if is_fresh or now - self._tried_at < REFETCH_SECONDS:
            return None
        self._tried_at = now
        try:
            self._keys = _usable_keys(self._fetch_json(self._keys_url()))
        except TransientError as error:
            return error
        self._fetched_at = now
        return None

    def _keys_url(self) -> str:
        if self._issuer.keys_url:
            return self._issuer.keys_url
        document = self._fetch_json(f"{self._issuer.issuer.rstrip('/')}/.well-known/openid-configuration")
        url = document.get("jwks_uri")
        if document.get("issuer") != self._issuer.issuer or not isinstance(url, str):
            raise TransientError("the issuer's openid-configuration is of another issuer, or has no jwks_uri")
        try:
            check_url(url)
        except ConfigurationError as error:
            raise TransientError("the issuer's keys are not at a URL with https") from error
        return url


def _usable_keys(document: Mapping[str, Any]) -> dict[str | None, PublicKey]:
    """Return the keys that can verify a signature; skip keys for other purposes or of other types.

    Raises:
        TransientError: The document is not a set of keys.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise TransientError("the issuer's set of keys has no list 'keys'")
    keys: dict[str | None, PublicKey] = {}
    for entry in entries[:_MAX_KEYS]:
        if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC") or entry.get("use", "sig") != "sig":
            continue
        try:
            key = JWKRegistry.import_key(entry)
        except (JoseError, ValueError, TypeError):
            continue
        if isinstance(key, RSAKey) and key.raw_value.key_size < _MIN_RSA_BITS:
            continue
        if isinstance(key, RSAKey | ECKey):
            keys[entry.get("kid")] = key
    return keys
