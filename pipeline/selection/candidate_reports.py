"""What became of everything that was thought of: trained, dropped, failed, skipped, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.contracts.records.outcome import CandidateOutcome, JobOutcome, TrainedCandidate
from pipeline.contracts.records.plan import Candidate, Plan
from pipeline.contracts.records.variant import CandidateReport

__all__ = ["candidate_reports"]


def candidate_reports(
    plan: Plan, outcomes: Sequence[JobOutcome], trained: Sequence[TrainedCandidate]
) -> tuple[CandidateReport, ...]:
    """Return a report of each of the plan's candidates, in its order, then of what it skipped."""
    outcome_of = {candidate.candidate: candidate for outcome in outcomes for candidate in outcome.candidates}
    return tuple(_reports(plan, outcome_of, {record.candidate: record for record in trained}))


def _reports(
    plan: Plan, outcomes: Mapping[str, CandidateOutcome], trained: Mapping[str, TrainedCandidate]
) -> Iterator[CandidateReport]:
    for candidate in plan.candidates:
        record = trained.get(candidate.name)
        yield (
            _failed_report(candidate, outcomes.get(candidate.name))
            if record is None
            else _trained_report(candidate, record)
        )
    for skipped in plan.skipped:
        yield CandidateReport(
            candidate=skipped.algorithm, algorithm=skipped.algorithm, status="skipped", reason=skipped.reason
        )


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
    why = outcome.reason or (outcome.error.message if outcome.error else "")
    status = "dropped" if outcome.status == "dropped" else "failed"
    return CandidateReport(**named, status=status, reason=why, seconds=outcome.seconds)
