"""Numbers as people write them: 1.299,99 and 12.5 % and ($204.10). Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PLAIN", "NumberFormat"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberFormat:
    """How a column writes its numbers. Signs, accounting negatives and bounds (<0.5) are read in every format.

    ``units`` are texts around a number that mean nothing of their own: currencies, percent, a unit that all rows share.
    """

    decimal: str = "."  # or ","
    group: str = ""  # between thousands: one of , . ' or a blank; empty: none
    units: tuple[str, ...] = ()


PLAIN = NumberFormat()
