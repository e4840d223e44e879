"""Factories of the objects that find the caller of a request by its API key or token."""
# ruff: noqa: PLC0415 - a cold start pays only for the stages and clients that its function uses

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pipeline.bootstrap.adapters import connect, table_of
from pipeline.bootstrap.settings import AuthorizerSettings, TokenSettings
from pipeline.contracts.errors import ConfigurationError

if TYPE_CHECKING:
    from pipeline.registry.api_keys import ApiKeys
    from pipeline.registry.sign_in.callers import Callers
    from pipeline.registry.sign_in.issuer import TokenIssuer
    from pipeline.registry.sign_in.tokens import Tokens
    from pipeline.registry.tenants import Tenants
    from pipeline.use_cases.management.authorizer import Authorizer

__all__ = ["authorizer", "callers_of_registry", "token_verifier"]

_ANY_HEADER = "host"  # every request has this header: API Gateway then caches nothing, and CredentialCache does


def authorizer(environ: Mapping[str, str] = os.environ) -> Authorizer:
    """Compose the Authorizer of API requests. A request with an API key does not import the code for tokens."""
    from pipeline.registry.api_keys import ApiKeys
    from pipeline.registry.tenants import Tenants
    from pipeline.use_cases.management.authorizer import Authorizer

    settings = AuthorizerSettings.from_env(environ)
    tokens = TokenSettings.from_env(environ)
    table = table_of(connect(environ), settings.table)
    callers = callers_of_registry(
        ApiKeys(table), Tenants(table), (lambda: _verifier_of(tokens)) if tokens.issuer else None
    )
    if settings.header != _ANY_HEADER:
        return Authorizer(callers.resolve, settings.gateway_key, header=settings.header)
    from pipeline.registry.sign_in.recent import CredentialCache

    return Authorizer(CredentialCache(callers.resolve).get, settings.gateway_key)


def callers_of_registry(keys: ApiKeys, tenants: Tenants, make_tokens: Callable[[], Tokens] | None) -> Callers:
    """Compose Callers, which finds callers by their API keys and, with ``make_tokens``, by their tokens."""
    from pipeline.registry.sign_in.callers import Callers

    return Callers(keys, tenants, make_tokens)


def token_verifier(issuer: TokenIssuer) -> Tokens:
    """Compose Tokens, which verifies the tokens of an issuer.

    Raises:
        ConfigurationError: The library that verifies signatures is not installed.
    """
    from pipeline.cloud.json_documents import fetch_json

    try:
        from pipeline.registry.sign_in.issuer_keys import IssuerKeys
        from pipeline.registry.sign_in.tokens import Tokens
    except ImportError as error:
        raise ConfigurationError("tokens require joserfc: pip install 'modeldrop[serve]' installs it") from error
    return Tokens(issuer, IssuerKeys(issuer, fetch_json))


def _verifier_of(settings: TokenSettings) -> Tokens:
    from pipeline.registry.sign_in.issuer import TokenIssuer

    return token_verifier(
        TokenIssuer(
            issuer=settings.issuer or "",
            audiences=settings.audiences,
            keys_url=settings.keys_url or "",
            tenant_claim=settings.tenant_claim,
            roles_claim=settings.roles_claim,
            models_claim=settings.models_claim,
        )
    )
