"""API keys and usage plans of API Gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.cloud.errors import IgnoredCodes, translate_errors
from pipeline.contracts.errors import ConfigurationError

__all__ = ["ApiGatewayKeys"]


class ApiGatewayKeys:
    """A GatewayKeys: API keys of one stack.

    Args:
        client: Client of the service ``apigateway``.
        stack: Name of the stack, which is the prefix of each key's name.
        plans: Id of the usage plan by tier.

    References:
        Amazon API Gateway REST API reference, CreateApiKey and CreateUsagePlanKey. An account has at most 10,000 keys
        in a region.
    """

    def __init__(self, client: Any, *, stack: str, plans: Mapping[str, str]) -> None:
        self._client = client
        self._stack = stack
        self._plans = plans

    def create(self, tenant: str, value: str, tier: str) -> None:
        """Create a tenant's key in the usage plan of a tier; an existing key is kept.

        Raises:
            ConfigurationError: The stack has no such usage plan.
        """
        if tier not in self._plans:
            raise ConfigurationError(f"the stack {self._stack} has no usage plan '{tier}': deploy its newest template")
        with translate_errors("API Gateway"):
            key = self._find(tenant)
            if key is None:
                key = self._client.create_api_key(name=self._name(tenant), value=value, enabled=True)["id"]
            with IgnoredCodes("ConflictException"):  # the key already is in the plan
                self._client.create_usage_plan_key(usagePlanId=self._plans[tier], keyId=key, keyType="API_KEY")

    def delete(self, tenant: str) -> None:
        """Delete a tenant's key; an absent one is ignored."""
        with translate_errors("API Gateway"):
            if (key := self._find(tenant)) is not None:
                self._client.delete_api_key(apiKey=key)

    def _find(self, tenant: str) -> str | None:
        """Return the id of a tenant's key; None if there is none. API Gateway searches names by their prefix."""
        pages = self._client.get_paginator("get_api_keys").paginate(nameQuery=self._name(tenant))
        keys = (key for page in pages for key in page["items"])
        return next((str(key["id"]) for key in keys if key["name"] == self._name(tenant)), None)

    def _name(self, tenant: str) -> str:
        return f"{self._stack}/{tenant}"
