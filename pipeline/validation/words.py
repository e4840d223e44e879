"""Pluralize nouns in messages."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, noun: str) -> str:
    """Return a count with its noun: 1 row, 2 rows, 5,000 rows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
