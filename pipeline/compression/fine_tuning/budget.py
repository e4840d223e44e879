"""The time budget of fine-tuning, and checkpoints from which an interrupted job resumes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.ports import ObjectStore

__all__ = ["Budget", "FineTuningCheckpoints", "NoFineTuningCheckpoints", "StoredFineTuning"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """A time budget that is running.

    Attributes:
        seconds: The whole budget.
        clock: Monotonic clock, in seconds.
        started: Reading of the clock at the beginning.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    started: float = field(default=-1.0)

    @classmethod
    def start(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Budget:
        """Start a budget of ``seconds`` now."""
        return cls(seconds=seconds, clock=clock, started=clock())

    @property
    def left(self) -> float:
        """Remaining seconds, at least 0."""
        return max(0.0, self.started + self.seconds - self.clock())

    def share(self, count: int) -> Budget:
        """Start the budget of one of ``count`` consumers that share the remaining time equally."""
        return Budget.start(self.left / max(1, count), self.clock)


class FineTuningCheckpoints(Protocol):
    """Stores the state of a running fine-tuning."""

    def save(self, state: bytes) -> None:
        """Replace the saved state."""
        ...

    def load(self) -> bytes | None:
        """Return the state that was saved last; None: there is none."""
        ...


class NoFineTuningCheckpoints:
    """Stores nothing: an interrupted fine-tuning starts again."""

    def save(self, state: bytes) -> None:
        """Ignore ``state``."""

    def load(self) -> bytes | None:
        """Return None."""
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFineTuning:
    """Stores the state in the artifacts bucket, under one ``key``."""

    artifacts: ObjectStore
    key: str

    def save(self, state: bytes) -> None:
        """Replace the saved state."""
        self.artifacts.put(self.key, state)

    def load(self) -> bytes | None:
        """Return the state that was saved last; None: there is none."""
        try:
            return self.artifacts.get(self.key)
        except ObjectNotFoundError:
            return None
