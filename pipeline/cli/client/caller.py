"""Who calls a command, for the registry's history and its audit log."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection

__all__ = ["caller_name", "log_change"]


def caller_name(command: str) -> str:
    """Return who calls a command, for the registry's history."""
    try:
        return f"modeldrop {command} by {getpass.getuser()}"
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return f"modeldrop {command}"


def log_change(connection: Connection, tenant: str, command: str, resource: str) -> None:
    """Add what a command changed to the audit log.

    Args:
        connection: The stack.
        tenant: Tenant whose resource was changed.
        command: Name of the command, such as ``keys create``.
        resource: What it changed, such as ``houses@3``.
    """
    connection.audit.add(command, resource, caller=(tenant, caller_name(command)))
