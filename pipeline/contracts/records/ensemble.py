"""The result of the ensemble job: a blend of candidates and a distilled model."""

from __future__ import annotations

from pipeline.contracts.record import Record

__all__ = ["Ensemble", "NotMade"]


class NotMade(Record):
    """A blend or a distilled model that was not made, and why."""

    name: str
    reason: str


class Ensemble(Record):
    """``ensemble.json``, written last by the job. ``candidates``: names of what was made, with files as the others'."""

    candidates: tuple[str, ...] = ()
    not_made: tuple[NotMade, ...] = ()
