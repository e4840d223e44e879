"""Write the learning curves and checkpoints of candidates while they train."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from pipeline.contracts.errors import TransientError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.outcome import CHECKPOINT
from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.records.training_curves import CURVES, TrainingCurves
from pipeline.jobs.runtime.checkpoints import ObjectStoreCheckpoints

__all__ = ["Live", "LiveCurves"]

_log = logging.getLogger(__name__)

_CURVES_SECONDS = 2.0  # no more writes than a person can follow


class LiveCurves:
    """The points of each candidate's curve, written every few seconds."""

    def __init__(self, artifacts: ObjectStore, keys: RunKeys, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._artifacts, self._keys, self._clock = artifacts, keys, clock
        self._points: dict[str, list[dict[str, float]]] = {}
        self._written = float("-inf")

    def watch(self, candidate: Candidate, point: Mapping[str, float]) -> None:
        """Add a point to a candidate's curve, and write the curve every few seconds."""
        points = self._points.setdefault(candidate.name, [])
        # Another trial of a search, or an attempt that goes on, shows its curve from the beginning.
        if points and _place(point) <= _place(points[-1]):
            points.clear()
        points.append(dict(point))
        if self._clock() - self._written >= _CURVES_SECONDS:
            self.finish(candidate)

    def finish(self, candidate: Candidate) -> None:
        """Write the curve of a candidate as it is."""
        points = self._points.get(candidate.name)
        if not points:
            return
        self._written = self._clock()
        curves = TrainingCurves(candidate=candidate.name, points=tuple(points))
        key = self._keys.candidate(candidate.name, CURVES)
        try:
            self._artifacts.put(key, curves.to_bytes(), content_type="application/json")
        except TransientError as error:
            _log.warning("a curve was not written", exc_info=error)


def _place(point: Mapping[str, float]) -> float:
    return point.get("epoch", point.get("tree", 0.0))


class Live:
    """Live curves and checkpoints of the candidates of one job.

    Args:
        artifacts: Bucket of the run's documents.
        keys: Keys of the run.
        seconds: Minimum time between two checkpoints.
        event: Adds a sentence to the run's timeline.
    """

    def __init__(self, artifacts: ObjectStore, keys: RunKeys, *, seconds: float, event: Callable[[str], None]) -> None:
        self._artifacts, self._keys, self._seconds, self._event = artifacts, keys, seconds, event
        self._curves = LiveCurves(artifacts, keys)
        self._checkpoints: dict[str, tuple[Candidate, ObjectStoreCheckpoints]] = {}

    def checkpoint(self, candidate: Candidate) -> ObjectStoreCheckpoints:
        """Return the checkpoints of a candidate."""
        name = candidate.name
        if name not in self._checkpoints:
            checkpoints = ObjectStoreCheckpoints(
                self._artifacts,
                self._keys.candidate(name, CHECKPOINT),
                seconds=self._seconds,
                resumes=lambda: self._event(f"{name} resumes from its checkpoint"),
            )
            self._checkpoints[name] = candidate, checkpoints
        return self._checkpoints[name][1]

    def watch(self, candidate: Candidate, point: Mapping[str, float]) -> None:
        """Add a point to a candidate's curve."""
        self._curves.watch(candidate, point)

    def end(self, candidate: Candidate, *, trained: bool) -> None:
        """Write a candidate's last points; if it was trained, forget its checkpoint."""
        self._curves.finish(candidate)
        for checkpointed, checkpoints in self._checkpoints.values():
            if trained and (checkpointed.name == candidate.name or checkpointed.is_target_of(candidate.name)):
                checkpoints.forget()
