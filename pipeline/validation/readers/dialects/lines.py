"""How messages name lines."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["name_lines"]

_MAX_NAMED = 5


def name_lines(lines: Sequence[int]) -> str:
    """Return ``line 3``, ``lines 3 to 6``, or ``lines 3, 8 and 20``."""
    if len(lines) == 1:
        return f"line {lines[0]:,}"
    if lines[-1] - lines[0] == len(lines) - 1:
        return f"lines {lines[0]:,} to {lines[-1]:,}"
    shown = [f"{line:,}" for line in lines[:_MAX_NAMED]]
    if len(lines) > _MAX_NAMED:
        return f"lines {', '.join(shown)}, ..."
    return f"lines {', '.join(shown[:-1])} and {shown[-1]}"
