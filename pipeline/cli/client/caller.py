"""Name of the caller of a command, for the registry's history and audit log."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection

__all__ = ["caller_name", "log_change", "logged_change", "user_name"]


def caller_name(command: str) -> str:
    """Return a command and the name of its caller, for the registry's history."""
    user = user_name()
    return f"modeldrop {command} by {user}" if user else f"modeldrop {command}"


def user_name() -> str:
    """Return the name of the machine's user; empty if there is none, as in some containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def log_change(connection: Connection, tenant: str, command: str, resource: str) -> None:
    """Log a change outside the table before it is made, so that no change lacks its entry.

    Args:
        connection: The stack.
        tenant: Tenant whose resource is changed.
        command: Name of the command.
        resource: What the command changes.
    """
    connection.audit.add(command, resource, caller=(tenant, caller_name(command)))


@contextmanager
def logged_change(connection: Connection, tenant: str, command: str, resource: str) -> Iterator[str]:
    """Log the changes of the block, in the same transaction if possible; yield the name of the caller.

    Args:
        connection: The stack.
        tenant: Tenant whose resource was changed.
        command: Name of the command, such as ``keys create``.
        resource: What the command changes, such as ``houses@3``.
    """
    by = caller_name(command)
    with connection.audit.record_change(command, resource, caller=(tenant, by)):
        yield by
