"""Apply a person's choice of a variant, which overrides the preference and the limits."""

from __future__ import annotations

from typing import Any

from pipeline.contracts.records.variant import Acceptance, LeaderboardRow, Selection

__all__ = ["accept"]


def accept(selection: Selection, acceptance: Acceptance) -> Selection:
    """Return the selection with the accepted variant as its winner; limits that it misses no longer count.

    Args:
        selection: Selection that includes the accepted variant with the status ``ok``.
        acceptance: The accepted variant, and who accepted it.
    """
    reason = f"{acceptance.by} accepted {acceptance.variant} of run {acceptance.run}"
    rows = tuple(_decide(row, acceptance.variant, reason) for row in selection.leaderboard)
    (winner,) = (row.variant for row in rows if row.winner)
    changes: dict[str, Any] = {"winner": winner, "leaderboard": rows, "reason": reason, "accepted": acceptance}
    return selection.model_copy(update={**changes, "unmet": (), "nearest": ()})


def _decide(row: LeaderboardRow, accepted: str, reason: str) -> LeaderboardRow:
    if row.variant.display_name == accepted:
        return row.model_copy(update={"winner": True, "outcome": "winner", "reason": reason})
    if row.winner:
        return row.model_copy(update={"winner": False, "outcome": "less_preferred", "reason": reason})
    return row
