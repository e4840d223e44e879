"""Use case: a version goes live, or waits for a person's decision."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.contracts.errors import OlderUploadError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.model_version import ModelCard
from pipeline.contracts.records.run import RunStatus
from pipeline.contracts.records.variant import Selection
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.registry.model_registry import ModelRegistry
from pipeline.registry.promotion import describe_replacement, promotion_blocker
from pipeline.use_cases.run_documents import RunUseCase

__all__ = ["PromoteVersion"]


@dataclass(frozen=True, kw_only=True)
class PromoteVersion(RunUseCase):
    """Promote a version that is READY, and end its run.

    Attributes:
        registry: Registry that holds the version.
    """

    registry: ModelRegistry

    def __call__(self, run: str, version: int) -> RunStatus:
        """Promote ``version``, which ``run`` has registered.

        Returns:
            ``NEEDS_DECISION`` if a person must promote it; otherwise ``SUCCEEDED``, also if the version stays READY
            because a version of a newer upload has been live.
        """
        keys = RunKeys.of(run)
        reason = promotion_blocker(self._read(JobSpec, keys.spec), self._read(Selection, keys.selection))
        not_promoted = self._promote(run, version) if reason is None else None
        self.runs.finish_stage(run, "promote")
        if reason is not None:
            self.runs.await_promotion(run, version, reason)
            return "NEEDS_DECISION"
        self.runs.succeed(run, version, not_promoted=not_promoted)
        return "SUCCEEDED"

    def _promote(self, run: str, version: int) -> str | None:
        """Make the version live; return why it stays READY if a newer upload's version has been live."""
        tenant, model = RunKeys.of(run).tenant, self._read(ModelCard, RunKeys.of(run).card).model
        try:
            self.registry.promote_newer(tenant, model, version, run=run)
        except OlderUploadError as error:
            return error.message
        if replaced := self.registry.replaced_choice(tenant, model, run):
            self.runs.add_event(run, describe_replacement(replaced.version, replaced.by))
        return None
