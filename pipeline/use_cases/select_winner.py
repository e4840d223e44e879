"""Use case: the winner is chosen from the variants."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.outcome import TRAINED, JobOutcome, TrainedCandidate
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.variant import Acceptance, VariantSet
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.selection.acceptance import accept
from pipeline.selection.candidate_reports import candidate_reports
from pipeline.selection.select import select
from pipeline.use_cases.run_documents import RunUseCase

__all__ = ["SelectWinner"]


@dataclass(frozen=True, kw_only=True)
class SelectWinner(RunUseCase):
    """Select the winner of a run and write its Selection."""

    def __call__(self, run: str) -> None:
        """Select the winner of ``run``."""
        keys = RunKeys(run)
        plan = self._read(Plan, keys.plan)
        outcomes = self._read_existing(JobOutcome, [keys.outcome(job.name) for job in plan.jobs])
        trained = self._read_existing(
            TrainedCandidate, [keys.candidate(candidate.name, TRAINED) for candidate in plan.candidates]
        )
        selection = select(
            self._read(VariantSet, keys.variants),
            metric=plan.metric,
            spec=self._read(JobSpec, keys.spec),
            tried=candidate_reports(plan, outcomes, trained),
            notes=plan.notes,
        )
        for acceptance in self._read_existing(Acceptance, [keys.acceptance]):
            selection = accept(selection, acceptance)
        self._write(selection, keys.selection)
        self.runs.finish_stage(run, "select")
