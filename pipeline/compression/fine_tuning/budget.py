"""The time of fine-tuning, and where it stands when the job is interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Budget", "FineTuningCheckpoints", "NoFineTuningCheckpoints"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Seconds that may still be spent.

    Attributes:
        seconds: In all.
        clock: Seconds, growing.
        started: What the clock said at the beginning.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    started: float = field(default=-1.0)

    @classmethod
    def start(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Budget:
        """Begin to count ``seconds`` now."""
        return cls(seconds=seconds, clock=clock, started=clock())

    @property
    def left(self) -> float:
        """Seconds that are left; 0 where none are."""
        return max(0.0, self.started + self.seconds - self.clock())

    def share(self, count: int) -> Budget:
        """Return the budget of one of ``count`` equal pieces of what is left."""
        return Budget.start(self.left / max(1, count), self.clock)


class FineTuningCheckpoints(Protocol):
    """Where the state of a fine-tuning is kept while it goes on."""

    def save(self, state: bytes) -> None:
        """Replace the state that was saved before."""
        ...

    def load(self) -> bytes | None:
        """Return what was saved last; None: nothing yet."""
        ...


class NoFineTuningCheckpoints:
    """Keeps nothing: an interrupted fine-tuning starts again."""

    def save(self, state: bytes) -> None:
        """Forget ``state``."""

    def load(self) -> bytes | None:
        """Return None."""
        return None
