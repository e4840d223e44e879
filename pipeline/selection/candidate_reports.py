"""Report on each candidate of a plan: whether it was trained, dropped, failed or skipped, and why."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.contracts.records.outcome import CandidateOutcome, JobOutcome, TrainedCandidate
from pipeline.contracts.records.plan import Candidate, Plan
from pipeline.contracts.records.variant import CandidateReport

__all__ = ["candidate_reports"]


def candidate_reports(
    plan: Plan, outcomes: Sequence[JobOutcome], trained: Sequence[TrainedCandidate]
) -> tuple[CandidateReport, ...]:
    """Return a report on each candidate, in the plan's order, followed by the algorithms that the plan skipped."""
    outcome_of = {candidate.candidate: candidate for outcome in outcomes for candidate in outcome.candidates}
    record_of = {record.candidate: record for record in trained}
    reports = (
        _trained_report(candidate, record_of[candidate.name])
        if candidate.name in record_of
        else _failed_report(candidate, outcome_of.get(candidate.name))
        for candidate in plan.candidates
    )
    skipped = (
        CandidateReport(candidate=skip.algorithm, algorithm=skip.algorithm, status="skipped", reason=skip.reason)
        for skip in plan.skipped
    )
    return (*reports, *skipped)


def _trained_report(candidate: Candidate, record: TrainedCandidate) -> CandidateReport:
    return CandidateReport(
        candidate=candidate.name,
        algorithm=candidate.algorithm,
        status="trained",
        reason=candidate.reason,
        seconds=record.seconds,
        settings=record.settings,
        trials=record.trials,
        notes=record.notes,
    )


def _failed_report(candidate: Candidate, outcome: CandidateOutcome | None) -> CandidateReport:
    named = {"candidate": candidate.name, "algorithm": candidate.algorithm, "settings": candidate.settings}
    if outcome is None:
        return CandidateReport(**named, status="failed", reason="its job ended before it finished")
    reason = outcome.reason or (outcome.error.message if outcome.error else "")
    status = "dropped" if outcome.status == "dropped" else "failed"
    return CandidateReport(**named, status=status, reason=reason, seconds=outcome.seconds)
