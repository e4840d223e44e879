"""Address of a stack, for the command line and the embedded cloud. Standard library only: ``--help`` imports it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_STACK", "DEFAULT_TENANT", "StackStatus"]

DEFAULT_STACK = "modeldrop"
DEFAULT_TENANT = "demo"


@dataclass(frozen=True, kw_only=True, slots=True)
class StackStatus:
    """Result of ``modeldrop status``. If no stack is running, only ``home`` and ``logs`` are set.

    Attributes:
        running: Whether the stack responds.
        embedded: Whether it is the embedded cloud, not an AWS account.
        endpoint_url: Endpoint of the AWS API; None for AWS itself.
        region: AWS region.
        uploads_bucket: Bucket that data files are dropped into.
        artifacts_bucket: Bucket of runs and models.
        api_url: Base URL of the REST API.
        tenant: Default tenant of commands.
        api_key: API key of the embedded cloud's demo tenant.
        home: Folder of the embedded cloud.
        logs: Folder of its logs.
    """

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
