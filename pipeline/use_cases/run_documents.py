"""Base class of the use cases that read and write the documents of a run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.record import Record
from pipeline.contracts.records.run import STAGES, Run, StageName
from pipeline.intake.run_log import RunLog

__all__ = ["RunUseCase"]

_R = TypeVar("_R", bound=Record)


@dataclass(frozen=True, kw_only=True)
class RunUseCase:
    """Use case of one run. Every use case can be repeated: the state machine retries it after a transient error.

    Attributes:
        artifacts: Bucket that holds the run's documents.
        runs: Log of runs.
    """

    artifacts: ObjectStore
    runs: RunLog

    def _read(self, record_type: type[_R], key: str) -> _R:
        """Read a document.

        Raises:
            ObjectNotFoundError: The document does not exist.
        """
        return record_type.from_bytes(self.artifacts.get(key))

    def _read_existing(self, record_type: type[_R], keys: Sequence[str]) -> list[_R]:
        """Read the documents that exist, in the order of their keys."""
        records = []
        for key in keys:
            with suppress(ObjectNotFoundError):
                records.append(self._read(record_type, key))
        return records

    def _write(self, record: Record, key: str) -> None:
        self.artifacts.put(key, record.to_bytes(), content_type="application/json")

    def _skip_stages(self, run: str, earlier: Run, first: StageName) -> None:
        """Mark the stages before ``first`` as finished, for a run that continues from an earlier run's documents."""
        if earlier.learning is not None:
            self.runs.record_learning(run, earlier.learning)
        for stage in STAGES[: STAGES.index(first)]:
            self.runs.finish_stage(run, stage)
