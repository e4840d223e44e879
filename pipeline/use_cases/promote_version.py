"""Use case: a version goes live, or waits for a person's decision."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.contracts.errors import ExecutionEndedError, OlderUploadError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.promotion.rollout import RolloutRule
from pipeline.contracts.records.model_version import ModelCard
from pipeline.contracts.records.run import RunStatus
from pipeline.contracts.records.variant import Selection
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.registry.aliases import AliasRef
from pipeline.registry.model_registry import ModelRegistry
from pipeline.registry.promotion import describe_replacement, promotion_blocker, rollout_rule
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

        If train.yaml asks for a rollout and another version is live, ``version`` is rolled out beside the live version
        instead of replacing it.

        Returns:
            ``NEEDS_DECISION`` if a person must promote the version; otherwise ``SUCCEEDED``, even if the version is not
            live because a version of a newer upload has been live or because it is being rolled out.

        Raises:
            ExecutionEndedError: The run has failed or was canceled meanwhile; nothing is promoted.
        """
        self._check_not_failed(run, version)
        keys = RunKeys(run)
        spec, selection, card = (
            self._read(JobSpec, keys.spec),
            self._read(Selection, keys.selection),
            self._read(ModelCard, keys.card),
        )
        reason = promotion_blocker(spec, selection, card.against_live)
        rule = rollout_rule(spec) if selection.accepted is None else None
        if reason is None and not self.runs.begin_promotion(run):
            self._check_not_failed(run, version)  # the run was canceled; a repeated call finds it SUCCEEDED
        not_promoted = self._promote(run, AliasRef(keys.tenant, card.model), version, rule) if reason is None else None
        self.runs.finish_stage(run, "promote")
        if reason is not None:
            self.runs.await_promotion(run, version, reason)
            return "NEEDS_DECISION"
        self.runs.succeed(run, version, not_promoted=not_promoted)
        return "SUCCEEDED"

    def _check_not_failed(self, run: str, version: int) -> None:
        if self.runs.get(run).status == "FAILED":
            raise ExecutionEndedError(f"version {version} was not promoted: its run {run} had already ended")

    def _promote(self, run: str, live: AliasRef, version: int, rule: RolloutRule | None) -> str | None:
        """Make the version live or roll it out; return why it is not live."""
        tenant, model = live.tenant, live.model
        try:
            if rule is not None and self.registry.aliases.version(live) not in (None, version):
                return self.registry.rollouts.start(live, version, rule, by=run, only_newer=True).summary
            self.registry.aliases.move_to_newer(AliasRef(tenant, model), version, run=run)
        except OlderUploadError as error:
            return error.message
        if replaced := self.registry.moves.replaced_choice(tenant, model, run):
            self.runs.add_event(run, describe_replacement(replaced.version, replaced.by))
        return None
