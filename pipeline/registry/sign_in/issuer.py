"""An accepted issuer of tokens, and the claims that identify the caller. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pipeline.contracts.errors import ConfigurationError, InputError, UnauthenticatedError
from pipeline.contracts.object_keys import JWT_PREFIX, check_model, check_tenant
from pipeline.registry.api_keys import MAX_MODELS, Principal
from pipeline.registry.roles import ROLES

__all__ = ["CLAIM_PATTERN", "TokenIssuer"]

CLAIM_PATTERN = r"[A-Za-z0-9_.:/#@-]{1,128}"  # no character that needs escaping in a message
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PREFIXES = ("modeldrop/", "modeldrop:")  # prefixes of roles in a claim with scopes of several programs
_SUBJECT = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")  # printable, and safe in JSON
_ABSENT = object()  # differs from null: a null claim grants no model, a missing one grants all


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenIssuer:
    """An OpenID Connect issuer, and the claims of its tokens.

    A claim is found by its name; if there is none, a name with dots is a path, such as ``realm_access.roles``.

    Attributes:
        issuer: URL of the issuer, as in the claim ``iss``.
        audiences: Accepted values of the claim ``aud``, or of ``client_id`` in a token without ``aud``, such as an
            access token of Amazon Cognito.
        keys_url: URL of the issuer's public keys (JWKS); empty to read it from ``/.well-known/openid-configuration``.
        tenant_claim: Claim with the name of the tenant.
        roles_claim: Claim with roles (registry.roles): a list, or a text with spaces. A role may have the prefix
            ``modeldrop/`` or ``modeldrop:``; other entries are ignored. The caller has the permissions of all roles.
        models_claim: Claim with the models that the caller may see, as ``model`` or ``tenant/model``. A token without
            it is for all models of the tenant.
        tenant: Tenant of all callers, for a server without tenants; empty to read ``tenant_claim``.
    """

    issuer: str
    audiences: tuple[str, ...]
    keys_url: str = ""
    tenant_claim: str = "tenant"
    roles_claim: str = "roles"
    models_claim: str = "models"
    tenant: str = ""

    def __post_init__(self) -> None:
        for url in filter(None, (self.issuer, self.keys_url)):
            check_url(url)
        if not self.issuer:
            raise ConfigurationError("the issuer of tokens has no URL: one is expected, as https://login.example.com")
        if not self.audiences or not all(self.audiences):
            raise ConfigurationError("tokens need an audience: what the issuer names in the claim aud is expected")
        for name in (self.tenant_claim, self.roles_claim, self.models_claim):
            if not re.fullmatch(CLAIM_PATTERN, name):
                raise ConfigurationError("a claim's name has letters, digits and _ . : / # @ -, at most 128 of them")

    def principal(self, claims: Mapping[str, Any]) -> Principal:
        """Return the caller that verified claims describe.

        Raises:
            UnauthenticatedError: A claim is missing or invalid.
        """
        subject = claims.get("sub")
        if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
            raise UnauthenticatedError("the token has no claim sub of 1 to 200 printable characters")
        tenant = self.tenant or self._tenant(claims)
        granted = self._roles(claims)
        return Principal(
            tenant=tenant,
            principal=f"{JWT_PREFIX}{subject}",
            permissions=tuple(sorted({permission for role in granted for permission in ROLES[role]})),
            models=self._models(claims, tenant),
        )

    def _tenant(self, claims: Mapping[str, Any]) -> str:
        tenant = _claim(claims, self.tenant_claim)
        try:
            return check_tenant(tenant) if isinstance(tenant, str) else _refuse_tenant(self.tenant_claim)
        except InputError:
            return _refuse_tenant(self.tenant_claim)

    def _roles(self, claims: Mapping[str, Any]) -> set[str]:
        names = _entries(_claim(claims, self.roles_claim))
        granted = {name.removeprefix(prefix) for name in names for prefix in ("", *_PREFIXES)} & ROLES.keys()
        if not granted:
            raise UnauthenticatedError(
                f"the token's claim {self.roles_claim} has no role: one of {', '.join(ROLES)} is expected"
            )
        return granted

    def _models(self, claims: Mapping[str, Any], tenant: str) -> tuple[str, ...]:
        claim = _claim(claims, self.models_claim)
        if claim is _ABSENT:
            return ()
        models = {name.removeprefix(f"{tenant}/") for name in _entries(claim)}
        names = sorted(name for name in models if "/" not in name)
        try:
            for name in names:
                check_model(name)
        except InputError:
            names = []
        if not 1 <= len(names) <= MAX_MODELS:
            raise UnauthenticatedError(
                f"the token's claim {self.models_claim} does not name 1 to {MAX_MODELS} models of its tenant"
            )
        return tuple(names)


def check_url(url: str) -> None:
    """Check that a URL's responses cannot be tampered with in transit.

    Raises:
        ConfigurationError: The URL is neither https nor http on this machine, or has a query or a fragment.
    """
    address = urlsplit(url)
    is_safe = address.scheme == "https" or (address.scheme == "http" and address.hostname in _LOOPBACK)
    if not is_safe or not address.hostname or address.query or address.fragment:
        raise ConfigurationError("an issuer of tokens is a URL with https and without a query (http on this machine)")


def _refuse_tenant(claim: str) -> str:
    raise UnauthenticatedError(f"the token's claim {claim} has no name of a tenant")


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    if name in claims:
        return claims[name]
    value: Any = claims
    for key in name.split("."):
        value = value.get(key, _ABSENT) if isinstance(value, Mapping) else _ABSENT
    return value


def _entries(claim: object) -> list[str]:
    """Return the entries of a list, or of a text with spaces."""
    if isinstance(claim, str):
        return claim.split()
    return [entry for entry in claim if isinstance(entry, str)] if isinstance(claim, list) else []
