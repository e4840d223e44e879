"""One move of an alias, as the registry's history records it."""

from __future__ import annotations

from datetime import datetime

from pipeline.contracts.object_keys import is_run_name
from pipeline.contracts.promotion.rollout import ROLLOUT_MODES
from pipeline.contracts.record import Record

__all__ = ["AliasMove"]


class AliasMove(Record):
    """One move of an alias.

    Attributes:
        at: Time of the move; later for each further move of the same alias.
        alias: Name of the alias.
        version: Version that the alias points to after the move.
        previous: Version that the alias pointed to before; None for its first move.
        by: Name of the run, rollout mode or person that moved the alias.
        reason: Reason of the move; empty if none was given.
    """

    at: datetime
    alias: str
    version: int
    previous: int | None = None
    by: str
    reason: str = ""

    @property
    def is_manual(self) -> bool:
        """Return whether a person moved the alias, rather than a run or the end of a rollout."""
        return not is_run_name(self.by) and self.by not in ROLLOUT_MODES
