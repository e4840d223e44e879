"""Use case: what the Batch jobs of a run cost, and which candidates they lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.evaluation_report import JobCost
from pipeline.contracts.records.outcome import JobOutcome
from pipeline.contracts.records.plan import Plan
from pipeline.planning.estimates import PRICE_SOURCE
from pipeline.planning.run_estimate import costs_of
from pipeline.use_cases.run_documents import RunUseCase

__all__ = ["JobReport", "ReportJobs"]


@dataclass(frozen=True, kw_only=True)
class JobReport:
    """Report on the jobs of a run.

    Attributes:
        costs: Cost of each job that wrote an outcome.
        prices: Source of the prices, or why there are none.
        warnings: One sentence for each candidate that could not be trained.
    """

    costs: tuple[JobCost, ...]
    prices: str
    warnings: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class ReportJobs(RunUseCase):
    """Report what the jobs of a run cost and lost.

    Attributes:
        bills_usage: Whether the jobs' machines cost money. False on a laptop.
    """

    bills_usage: bool = False

    def __call__(self, run: str) -> JobReport:
        """Report on the jobs of ``run`` that wrote an outcome."""
        keys = RunKeys(run)
        planned = self._read(Plan, keys.plan)
        jobs = [*(job.name for job in planned.jobs), "ensemble", "compress"]
        outcomes = self._read_existing(JobOutcome, [keys.outcome(job) for job in jobs])
        return JobReport(
            costs=tuple(map(self._make_cost, outcomes, costs_of(outcomes, planned))),
            prices=PRICE_SOURCE if self.bills_usage else "this machine costs nothing",
            warnings=[
                f"the candidate '{candidate.candidate}' was lost: {candidate.error.message}"
                for outcome in outcomes
                for candidate in outcome.candidates
                if candidate.error is not None
            ],
        )

    def _make_cost(self, outcome: JobOutcome, dollars: float) -> JobCost:
        return JobCost(
            job=outcome.job,
            device=outcome.device,
            seconds=outcome.seconds,
            dollars=dollars if self.bills_usage else 0.0,
        )
