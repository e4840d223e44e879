"""A candidate's unfinished training, kept beside its files in the artifacts bucket."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pipeline.contracts.errors import ObjectNotFoundError, TransientError
from pipeline.contracts.ports import ObjectStore

__all__ = ["ObjectStoreCheckpoints"]

_log = logging.getLogger(__name__)


class ObjectStoreCheckpoints:
    """As training.algorithm.Checkpoints: the last one of a candidate, in the artifacts bucket.

    ``resumes`` is called when there is one. A job may write and not delete: one that is over is left empty.
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
        """One that is not kept costs the next attempt some time, and this one nothing."""
        try:
            self._artifacts.put(self._key, state)
            self._is_there = True
        except TransientError as error:
            _log.warning("a checkpoint was not saved", exc_info=error)

    def forget(self) -> None:
        """Mark the checkpoint as obsolete, so that no later attempt resumes from it."""
        if self._is_there:
            self._artifacts.put(self._key, b"")
