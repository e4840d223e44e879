"""The state machine in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.contracts.ports import Execution

__all__ = ["FakeExecutions"]


@dataclass
class FakeExecutions:
    """Executions that are only recorded.

    Attributes:
        started: Name -> input.
        stopped: Name -> cause.
        ended: Name -> result; without a result a started execution is RUNNING.
    """

    started: dict[str, dict[str, Any]] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)
    ended: dict[str, Execution] = field(default_factory=dict)

    def start(self, name: str, document: Mapping[str, Any]) -> bool:
        if name in self.started:
            return False
        self.started[name] = dict(document)
        return True

    def stop(self, name: str, cause: str) -> None:
        self.stopped[name] = cause

    def describe(self, name: str) -> Execution | None:
        return self.ended.get(name) or (Execution(status="RUNNING") if name in self.started else None)
