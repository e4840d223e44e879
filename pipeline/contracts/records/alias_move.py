"""One move of an alias, as the registry's history has it."""

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
        version: Version that it points to since.
        previous: Version that it pointed to before; None at first.
        by: Name of the run or of the person who moved it.
        reason: Why it was moved; empty if nobody said.
    """

    at: datetime
    alias: str
    version: int
    previous: int | None = None
    by: str
    reason: str = ""

    @property
    def is_manual(self) -> bool:
        """Return whether a person moved the alias, neither a run nor the end of a rollout."""
        return not is_run_name(self.by) and self.by not in ROLLOUT_MODES
