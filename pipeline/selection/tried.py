"""What became of everything that was thought of: trained, dropped, failed, skipped, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.contracts.outcome import CandidateOutcome, JobOutcome, TrainedCandidate
from pipeline.contracts.plan import Candidate, Plan
from pipeline.contracts.variant import Tried

__all__ = ["what_was_tried"]


def what_was_tried(
    plan: Plan, outcomes: Sequence[JobOutcome], trained: Sequence[TrainedCandidate]
) -> tuple[Tried, ...]:
    """The plan's candidates in its order, then what it skipped."""
    of_candidate = {one.candidate: one for outcome in outcomes for one in outcome.candidates}
    return tuple(_tried(plan, of_candidate, {one.candidate: one for one in trained}))


def _tried(
    plan: Plan, outcomes: Mapping[str, CandidateOutcome], trained: Mapping[str, TrainedCandidate]
) -> Iterator[Tried]:
    for candidate in plan.candidates:
        made = trained.get(candidate.name)
        yield _lost(candidate, outcomes.get(candidate.name)) if made is None else _trained(candidate, made)
    for skipped in plan.skipped:
        yield Tried(candidate=skipped.algorithm, algorithm=skipped.algorithm, status="skipped", reason=skipped.reason)


def _trained(candidate: Candidate, made: TrainedCandidate) -> Tried:
    return Tried(
        candidate=candidate.name,
        algorithm=candidate.algorithm,
        status="trained",
        reason=candidate.reason,
        seconds=made.seconds,
        settings=made.settings,
        trials=made.trials,
        notes=made.notes,
    )


def _lost(candidate: Candidate, outcome: CandidateOutcome | None) -> Tried:
    named = {"candidate": candidate.name, "algorithm": candidate.algorithm, "settings": candidate.settings}
    if outcome is None:
        return Tried(**named, status="failed", reason="its job ended before it finished")
    why = outcome.reason or (outcome.error.message if outcome.error else "")
    status = "dropped" if outcome.status == "dropped" else "failed"
    return Tried(**named, status=status, reason=why, seconds=outcome.seconds)
