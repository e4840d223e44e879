"""Every command that changes the registry of a stack writes an entry of the audit log."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from pipeline.cli.main import app

CHANGING = {
    "accept", "archive", "cancel", "delete", "keys create", "keys revoke", "keys rotate", "promote", "retry",
    "rollback", "share", "tag", "tenants create", "tenants delete", "tenants orphans", "tenants resume",
    "tenants suspend", "undelete",
}  # fmt: skip
# They change no registry, or only this machine. dead-letters adds its entry itself; drop and demo upload files.
OTHERS = {
    "audit", "bench", "card", "check", "completion", "convert", "dead-letters", "demo", "deploy", "destroy",
    "diff", "down", "drop", "export", "history", "keys list", "leaderboard", "logs", "models", "predict", "rejected",
    "report", "runs", "serve", "show", "status", "tenants list", "undeploy", "up", "variants",
    "verify", "watch",
}  # fmt: skip


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} ")
        else:
            yield f"{prefix}{name}", command


def test_each_changing_command_writes_an_audit_entry() -> None:
    registered = dict(commands(typer.main.get_command(app)))
    assert set(registered) - CHANGING - OTHERS == set(), "a new command: does it change the registry?"
    for name in CHANGING:
        assert "with logged_change(" in inspect.getsource(inspect.unwrap(registered[name].callback)), name
