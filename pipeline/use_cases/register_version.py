"""Use case: the winner becomes a numbered version."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.model_version import ModelCard
from pipeline.contracts.records.run import Upload
from pipeline.contracts.records.variant import Selection
from pipeline.registry.model_registry import ModelRegistry
from pipeline.registry.registration import build_lineage, draft_version
from pipeline.use_cases.run_documents import RunUseCase

__all__ = ["RegisterVersion"]


@dataclass(frozen=True, kw_only=True)
class RegisterVersion(RunUseCase):
    """Register the winner of a run. The version is READY only after its smoke test.

    Attributes:
        registry: Registry that numbers the version.
        code_version: Version of modeldrop, for the lineage.
        now: Returns the current time, UTC.
    """

    registry: ModelRegistry
    code_version: str
    now: Clock = utc_now

    def __call__(self, run: str) -> int:
        """Register the winner of ``run``, and return its version number. Idempotent."""
        keys = RunKeys(run)
        dataset, selection = self._read(Dataset, keys.dataset), self._read(Selection, keys.selection)
        winner = selection.winner
        lineage = build_lineage(
            run,
            upload=self._read(Upload, keys.upload),
            dataset=dataset,
            spec=self.artifacts.get(keys.spec),
            code_version=self.code_version,
        )
        draft = draft_version(
            self._read(ModelCard, keys.card),
            selection,
            signature=dataset.signature_of(winner.classes, winner.quantiles, winner.decision, winner.pruned_columns),
            lineage=lineage,
            now=self.now(),
        )
        version = self.registry.register(draft).version
        self.runs.finish_stage(run, "register")
        return version
