"""Result of one check before a deployment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["PreflightCheck", "failed", "ok", "warning"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PreflightCheck:
    """Result of one check.

    Attributes:
        name: What was checked.
        status: A warning does not prevent the deployment.
        text: What was found.
        fix: What to do about it; None if the check passed.
    """

    name: str
    status: Literal["ok", "warning", "failed"]
    text: str
    fix: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict, for JSON output."""
        return asdict(self)


def ok(name: str, text: str) -> PreflightCheck:
    """Return a passed check."""
    return PreflightCheck(name=name, status="ok", text=text)


def warning(name: str, text: str, *, fix: str) -> PreflightCheck:
    """Return a check that does not prevent the deployment."""
    return PreflightCheck(name=name, status="warning", text=text, fix=fix)


def failed(name: str, text: str, *, fix: str) -> PreflightCheck:
    """Return a check that prevents the deployment."""
    return PreflightCheck(name=name, status="failed", text=text, fix=fix)
