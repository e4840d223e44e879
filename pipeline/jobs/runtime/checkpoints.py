"""Checkpoints of candidates in the artifacts bucket."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pipeline.contracts.errors import ObjectNotFoundError, TransientError
from pipeline.contracts.ports import ObjectStore

__all__ = ["ObjectStoreCheckpoints"]

_log = logging.getLogger(__name__)


class ObjectStoreCheckpoints:
    """The last checkpoint of a candidate, in the artifacts bucket (training.algorithm.Checkpoints).

    ``resumes`` is called if a checkpoint is loaded. Jobs may not delete objects, so an obsolete checkpoint is emptied.
    """

    def __init__(self, artifacts: ObjectStore, key: str, *, seconds: float, resumes: Callable[[], None]) -> None:
        self.seconds = seconds
        self._artifacts, self._key, self._resumes = artifacts, key, resumes
        self._is_there = False

    def load(self) -> bytes | None:
        """Return the state that an earlier attempt saved; None if there is none."""
        try:
            state = self._artifacts.get(self._key)
        except ObjectNotFoundError:
            return None
        if state:
            self._is_there = True
            self._resumes()
        return state or None

    def save(self, state: bytes) -> None:
        """Save a state; a failure is ignored, since it only costs a later attempt some time."""
        try:
            self._artifacts.put(self._key, state)
            self._is_there = True
        except TransientError as error:
            _log.warning("a checkpoint was not saved", exc_info=error)

    def forget(self) -> None:
        """Mark the checkpoint as obsolete, so that no later attempt resumes from it."""
        if self._is_there:
            self._artifacts.put(self._key, b"")
