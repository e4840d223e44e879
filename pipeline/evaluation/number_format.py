"""Format numbers for messages."""

from __future__ import annotations

__all__ = ["format_number"]

_MAX_WITHOUT_EXPONENT = 1e15  # from this size on, numbers have an exponent, which is easier to read


def format_number(value: float, digits: int = 4) -> str:
    """Format a number with ``digits`` significant digits, but all integer digits: 0.8612, 46222, 1.2e-05."""
    return f"{value:.0f}" if 10**digits - 0.5 <= abs(value) < _MAX_WITHOUT_EXPONENT else f"{value:.{digits}g}"
