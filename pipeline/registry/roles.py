"""Roles of API keys, and the permissions that each has. Standard library only: the authorizer imports it when cold."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from pipeline.contracts.errors import InputError

__all__ = ["DEFAULT_ROLE", "ROLES", "check_role", "role_of"]

ROLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "reader": ("read",),
        "predictor": ("predict", "read"),
        "publisher": ("predict", "publish", "read"),  # uploads, promotions, rollbacks, cancellations, tags
        "owner": ("manage", "predict", "publish", "read"),  # also deletions and grants to other tenants
    }
)
DEFAULT_ROLE = "predictor"


def check_role(name: str) -> str:
    """Return ``name`` if it is a role.

    Raises:
        InputError: The name is not a role.
    """
    if name not in ROLES:
        raise InputError(f"'{name[:32]}' is not a role: {', '.join(ROLES)} are expected")
    return name


def role_of(permissions: Collection[str]) -> str:
    """Return the role of a key that an older release stored with permissions only."""
    return next((role for role, granted in ROLES.items() if set(granted) == set(permissions)), DEFAULT_ROLE)
