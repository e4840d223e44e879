"""A candidate's unfinished training, kept beside its files in the artefacts bucket."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pipeline.contracts.errors import ObjectNotFoundError, TransientError
from pipeline.contracts.ports import ObjectStore

__all__ = ["StoredCheckpoints"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StoredCheckpoints:
    """As training.recipe.Checkpoints has it. ``seconds``: between two, at least."""

    artifacts: ObjectStore
    key: str
    seconds: float

    def load(self) -> bytes | None:
        try:
            return self.artifacts.get(self.key)
        except ObjectNotFoundError:
            return None

    def save(self, state: bytes) -> None:
        """One that the store is too busy for costs an interval, not the training."""
        try:
            self.artifacts.put(self.key, state)
        except TransientError as error:
            _log.warning("a checkpoint was not kept", exc_info=error)
