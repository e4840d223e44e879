"""The estimated duration and cost of a run."""

from __future__ import annotations

from pipeline.contracts.record import Record

__all__ = ["Estimate"]


class Estimate(Record):
    """The estimate of a run before it starts, accurate within a factor of three.

    Attributes:
        minutes: Minutes from the upload to a served version.
        dollars: On-demand price of the training machines on AWS.
        unknown: Candidates without a measured cost, which are not included.
    """

    minutes: float
    dollars: float
    unknown: tuple[str, ...] = ()
