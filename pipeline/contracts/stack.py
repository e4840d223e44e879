"""Where a stack is, for the command and for the embedded cloud. Standard library only: the command's help loads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_STACK", "DEFAULT_TENANT", "StackStatus"]

DEFAULT_STACK = "modeldrop"
DEFAULT_TENANT = "demo"


@dataclass(frozen=True, kw_only=True, slots=True)
class StackStatus:
    """What ``modeldrop status`` says; where nothing runs, only ``home`` and ``logs`` of the embedded cloud are told."""

    running: bool
    embedded: bool = True
    endpoint_url: str | None = None
    region: str | None = None
    uploads_bucket: str | None = None
    artifacts_bucket: str | None = None
    api_url: str | None = None
    tenant: str | None = None
    api_key: str | None = None
    home: Path | None = None
    logs: Path | None = None
