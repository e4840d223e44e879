"""Type of clocks, which tests replace to choose the current time, and the text format of stored times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "format_time", "utc_now"]

Clock = Callable[[], datetime]  # returns an aware time, UTC


def utc_now() -> datetime:
    """Return the current time, UTC."""
    return datetime.now(UTC)


def format_time(moment: datetime) -> str:
    """Format as ISO 8601 in UTC with a fixed length, so that text sorts like time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
