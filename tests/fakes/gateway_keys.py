"""API Gateway's keys in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["FakeGatewayKeys"]


@dataclass
class FakeGatewayKeys:
    """GatewayKeys; ``keys`` maps a tenant to (value, tier)."""

    keys: dict[str, tuple[str, str]] = field(default_factory=dict)

    def create(self, tenant: str, value: str, tier: str) -> None:
        self.keys.setdefault(tenant, (value, tier))

    def delete(self, tenant: str) -> None:
        self.keys.pop(tenant, None)
