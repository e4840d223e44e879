"""Clock: the current time as an argument, so that tests choose it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "utc_now"]

Clock = Callable[[], datetime]  # returns an aware time, UTC


def utc_now() -> datetime:
    """Return the current time, UTC."""
    return datetime.now(UTC)
