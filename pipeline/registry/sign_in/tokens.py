"""Verify tokens (JWT, RFC 7519) as RFC 8725 requires: with the issuer's own keys and the algorithms listed here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError, MissingClaimError

from pipeline.contracts.errors import UnauthenticatedError
from pipeline.registry.api_keys import Principal
from pipeline.registry.sign_in.issuer import TokenIssuer
from pipeline.registry.sign_in.issuer_keys import IssuerKeys

__all__ = ["ALGORITHMS", "LEEWAY_SECONDS", "MAX_TOKEN", "Tokens"]

# Only public-key algorithms: with HS256 an issuer's public key would be the secret, and "none" verifies nothing.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
LEEWAY_SECONDS = 30  # difference allowed between clocks
MAX_TOKEN = 8_192  # characters; API Gateway accepts 10,240 bytes of headers
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})  # RFC 8725, section 3.11: not, for example, a logout token
_MALFORMED = "the token is not a signed JWT: three parts in base64url are expected"
_REFUSED_CLAIMS = {
    "iss": "the token is of another issuer",
    "aud": "the token is for another audience",
    "nbf": "the token is not valid yet",
    "iat": "the token was issued in the future",
}


class Tokens:
    """Finds the callers of one issuer's tokens.

    Args:
        issuer: The issuer, and the meaning of its claims.
        keys: Public keys of the issuer.
        now: Returns seconds since 1970.
    """

    def __init__(self, issuer: TokenIssuer, keys: IssuerKeys, *, now: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._keys = keys
        self._registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(now()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer.issuer},
            aud={"essential": True, "values": list(issuer.audiences)},
            exp={"essential": True},
        )

    def resolve(self, token: str) -> Principal:
        """Return the caller that a token identifies.

        Raises:
            UnauthenticatedError: The token is malformed, expired, not valid yet, of another issuer, for another
                audience, not signed by its issuer, or lacks a claim; the message says which.
            TransientError: The issuer does not respond.
        """
        if len(token) > MAX_TOKEN:
            raise UnauthenticatedError(f"the token has more than {MAX_TOKEN:,} characters")
        claims = self._verify(token)
        self._check(claims)
        return self._issuer.principal(claims)

    def _verify(self, token: str) -> dict[str, Any]:
        """Verify a token's signature, and return its claims."""
        header = _read_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise UnauthenticatedError(
                f"the token's algorithm is not accepted: one of {', '.join(ALGORITHMS)} is expected"
            )
        kind, kid = header.get("typ", "JWT"), header.get("kid")
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise UnauthenticatedError("the token is of another type: JWT or at+jwt is expected")
        if kid is not None and not isinstance(kid, str):
            raise UnauthenticatedError(_MALFORMED)
        key = self._keys.find(kid)
        try:
            return jwt.decode(token, key, registry=self._registry).claims
        except (JoseError, ValueError, TypeError) as error:
            raise UnauthenticatedError("the token's signature is not of its issuer") from error

    def _check(self, claims: dict[str, Any]) -> None:
        audience = {"aud": claims["client_id"]} if "aud" not in claims and "client_id" in claims else {}
        try:
            self._claims.validate(claims | audience)
        except ExpiredTokenError as error:
            raise UnauthenticatedError("the token has expired: a new one is expected") from error
        except MissingClaimError as error:
            raise UnauthenticatedError("the token lacks a claim: iss, aud and exp are expected") from error
        except ClaimError as error:
            sentence = _REFUSED_CLAIMS.get(error.claim, "the token has an invalid claim")
            raise UnauthenticatedError(sentence) from error


def _read_header(token: str) -> Mapping[str, Any]:
    """Return the header of a token, which is not verified yet."""
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError) as error:
        raise UnauthenticatedError(_MALFORMED) from error
    if not isinstance(header, Mapping):
        raise UnauthenticatedError(_MALFORMED)
    return header
