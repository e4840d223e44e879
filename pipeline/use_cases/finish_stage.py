"""Use case: all jobs of a stage have ended, and the run continues if it has what the next stage needs."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.run import StageName
from pipeline.intake.job_outcomes import require_survivor
from pipeline.use_cases.run_documents import RunUseCase

__all__ = ["FinishStage"]


@dataclass(frozen=True, kw_only=True)
class FinishStage(RunUseCase):
    """Finish a stage that consists of Batch jobs."""

    def __call__(self, run: str, stage: StageName) -> None:
        """Finish the stage ``stage`` of ``run``.

        Raises:
            NoCandidateSurvivedError: The stage is ``train``, and no job trained a candidate.
        """
        if stage == "train":
            planned = self._read(Plan, RunKeys.of(run).plan)
            require_survivor(run, [job.name for job in planned.jobs], artifacts=self.artifacts)
        self.runs.finish_stage(run, stage)
