"""Use case: all jobs of a stage have ended, and the run continues if it has what the next stage needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.outcome import JobOutcome
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.run import StageName
from pipeline.intake.job_outcomes import require_survivor
from pipeline.planning.run_estimate import costs_of
from pipeline.use_cases.run_documents import RunUseCase

__all__ = ["FinishStage"]


@dataclass(frozen=True, kw_only=True)
class FinishStage(RunUseCase):
    """Finish a stage of Batch jobs, and add their duration and cost to the run's timeline.

    Attributes:
        bills_usage: Whether the jobs' machines cost money. False on a laptop.
    """

    bills_usage: bool = False

    def __call__(self, run: str, stage: StageName) -> None:
        """Finish the stage ``stage`` of ``run``.

        Raises:
            NoCandidateSurvivedError: The stage is ``train``, and no job trained a candidate.
        """
        keys = RunKeys(run)
        planned = self._read(Plan, keys.plan)
        jobs = [job.name for job in planned.jobs] if stage == "train" else [stage]
        if outcomes := self._read_existing(JobOutcome, [keys.outcome(job) for job in jobs]):
            self.runs.add_event(run, _describe_spend(stage, outcomes, planned if self.bills_usage else None))
        if stage == "train":
            require_survivor(run, jobs, artifacts=self.artifacts)
        self.runs.finish_stage(run, stage)


def _describe_spend(stage: StageName, outcomes: Sequence[JobOutcome], billed: Plan | None) -> str:
    """Describe the number, duration, attempts and cost of a stage's jobs; without the plan ``billed``, no cost."""
    seconds, attempts = sum(outcome.seconds for outcome in outcomes), sum(outcome.attempts for outcome in outcomes)
    jobs = "1 job" if len(outcomes) == 1 else f"{len(outcomes)} jobs"
    repeated = f" in {attempts} attempts" if attempts > len(outcomes) else ""
    dollars = "" if billed is None else f", about ${sum(costs_of(outcomes, billed)):.4f} at on-demand prices"
    return f"{stage}: {jobs}, {seconds:,.1f} s{repeated}{dollars}"
