"""How messages count."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, noun: str) -> str:
    """1 row, 2 rows, 5,000 rows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
