"""One line of what is checked before a deploy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["PreflightCheck", "failed", "ok", "warning"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PreflightCheck:
    """What was looked at, and what was found. A warning does not prevent a deploy; ``fix`` says what to do."""

    name: str
    status: Literal["ok", "warning", "failed"]
    text: str
    fix: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def ok(name: str, text: str) -> PreflightCheck:
    return PreflightCheck(name=name, status="ok", text=text)


def warning(name: str, text: str, *, fix: str) -> PreflightCheck:
    return PreflightCheck(name=name, status="warning", text=text, fix=fix)


def failed(name: str, text: str, *, fix: str) -> PreflightCheck:
    return PreflightCheck(name=name, status="failed", text=text, fix=fix)
