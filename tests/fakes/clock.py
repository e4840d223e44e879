"""A clock that a test turns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.fakes.records import NOW

__all__ = ["FakeClock"]


@dataclass
class FakeClock:
    """``clock()`` is now."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
