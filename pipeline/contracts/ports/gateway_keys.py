"""Port of the gateway's API keys."""

from __future__ import annotations

from typing import Protocol

__all__ = ["GatewayKeys"]


class GatewayKeys(Protocol):
    """API Gateway's keys, one for each tenant, and the usage plans that limit them."""

    def create(self, tenant: str, value: str, tier: str) -> None:
        """Create a tenant's key in the usage plan of a tier. Idempotent.

        Args:
            tenant: Tenant that the key belongs to.
            value: The key itself, 20 to 128 characters.
            tier: Name of the usage plan.
        """
        ...

    def delete(self, tenant: str) -> None:
        """Delete a tenant's key. Idempotent: an absent key is ignored."""
        ...
