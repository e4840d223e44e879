"""Format counts and lists for messages."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["counted", "listed"]


def counted(number: int, noun: str) -> str:
    """Return a count with its noun: 1 row, 2 rows, 5,000 rows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(items: Sequence[str], limit: int, separator: str = ", ") -> str:
    """Join the first ``limit`` items, and add ``...`` if there are more."""
    return separator.join([*items[:limit], *(["..."] if len(items) > limit else [])])
