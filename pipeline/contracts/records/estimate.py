"""The estimated duration and cost of a run."""

from __future__ import annotations

from pipeline.contracts.record import Record

__all__ = ["Estimate"]


class Estimate(Record):
    """What a run will take, estimated before anything is started; accurate within a factor of three.

    ``minutes`` are from the upload to a served version, ``dollars`` those of the training machines on AWS, on demand.
    ``unknown``: candidates whose cost nobody measured, which are not included.
    """

    minutes: float
    dollars: float
    unknown: tuple[str, ...] = ()
