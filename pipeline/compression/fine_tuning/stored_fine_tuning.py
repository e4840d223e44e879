"""The state of a fine-tuning in the artifacts bucket, from which a later attempt of the job goes on."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.ports import ObjectStore

__all__ = ["StoredFineTuning"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFineTuning:
    """FineTuningCheckpoints at one ``key``."""

    artifacts: ObjectStore
    key: str

    def save(self, state: bytes) -> None:
        """Replace the state that was saved before."""
        self.artifacts.put(self.key, state)

    def load(self) -> bytes | None:
        """Return what was saved last; None: nothing yet."""
        try:
            return self.artifacts.get(self.key)
        except ObjectNotFoundError:
            return None
