"""Write the learning curves and checkpoints of candidates while they train."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from pipeline.contracts.errors import ObjectNotFoundError, TransientError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.outcome import CHECKPOINT
from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.records.training_curves import CURVES, TrainingCurves

__all__ = ["Live"]

_log = logging.getLogger(__name__)

_CURVES_SECONDS = 2.0  # minimum time between two writes of curves, so that a person can follow them


class ObjectStoreCheckpoints:
    """The last checkpoint of a candidate, in the artifacts bucket (training.algorithm.Checkpoints).

    ``resumes`` is called if a checkpoint is loaded. Jobs may not delete objects, so an obsolete checkpoint is emptied.
    """

    def __init__(self, artifacts: ObjectStore, key: str, *, seconds: float, resumes: Callable[[], None]) -> None:
        self.seconds = seconds
        self._artifacts, self._key, self._resumes = artifacts, key, resumes
        self._is_stored = False

    def load(self) -> bytes | None:
        """Return the state that an earlier attempt saved; None if there is none."""
        try:
            state = self._artifacts.get(self._key)
        except ObjectNotFoundError:
            return None
        if state:
            self._is_stored = True
            self._resumes()
        return state or None

    def save(self, state: bytes) -> None:
        """Save a state; a failure is ignored, since it only costs a later attempt some time."""
        try:
            self._artifacts.put(self._key, state)
            self._is_stored = True
        except TransientError as error:
            _log.warning("a checkpoint was not saved", exc_info=error)

    def mark_obsolete(self) -> None:
        """Mark the checkpoint as obsolete, so that no later attempt resumes from it."""
        if self._is_stored:
            self._artifacts.put(self._key, b"")


class Live:
    """Live curves and checkpoints of the candidates of one job.

    Args:
        artifacts: Bucket of the run's documents.
        keys: Keys of the run.
        seconds: Minimum time between two checkpoints, in seconds.
        event: Adds a sentence to the run's timeline.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        artifacts: ObjectStore,
        keys: RunKeys,
        *,
        seconds: float,
        event: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._artifacts, self._keys, self._seconds, self._event, self._clock = artifacts, keys, seconds, event, clock
        self._points: dict[str, list[dict[str, float]]] = {}
        self._written = float("-inf")
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
        """Add a point to a candidate's curve, and write the curve every few seconds."""
        points = self._points.setdefault(candidate.name, [])
        # Another trial of a search, or an attempt that resumes, starts its curve anew.
        if points and _position(point) <= _position(points[-1]):
            points.clear()
        points.append(dict(point))
        if self._clock() - self._written >= _CURVES_SECONDS:
            self._write_curve(candidate.name)

    def end(self, candidate: Candidate, *, trained: bool) -> None:
        """Write a candidate's last points; if it was trained, mark its checkpoint as obsolete."""
        self._write_curve(candidate.name)
        for checkpointed, checkpoints in self._checkpoints.values():
            if trained and (checkpointed.name == candidate.name or checkpointed.is_target_of(candidate.name)):
                checkpoints.mark_obsolete()

    def _write_curve(self, candidate: str) -> None:
        points = self._points.get(candidate)
        if not points:
            return
        self._written = self._clock()
        curves = TrainingCurves(candidate=candidate, points=tuple(points))
        try:
            self._artifacts.put(
                self._keys.candidate(candidate, CURVES), curves.to_bytes(), content_type="application/json"
            )
        except TransientError as error:
            _log.warning("a curve was not written", exc_info=error)


def _position(point: Mapping[str, float]) -> float:
    return point.get("epoch", point.get("tree", 0.0))
