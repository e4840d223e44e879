"""The result of the ensemble job: a blend of candidates and a distilled model."""

from __future__ import annotations

from pipeline.contracts.record import Record

__all__ = ["Ensemble", "NotMade"]


class NotMade(Record):
    """A blend or a distilled model that was not made, and why."""

    name: str
    reason: str


class Ensemble(Record):
    """Content of ``ensemble.json``, which the ensemble job writes last.

    Attributes:
        candidates: Names of the ensemble candidates; they have the same files as any candidate.
        not_made: Ensemble candidates that were not made.
    """

    candidates: tuple[str, ...] = ()
    not_made: tuple[NotMade, ...] = ()
