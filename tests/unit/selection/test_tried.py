"""Reports of all candidates and of the skipped algorithms."""

from __future__ import annotations

from pipeline.contracts.records.outcome import CandidateOutcome, JobOutcome, TrainedCandidate, Trial
from pipeline.contracts.records.plan import Candidate, Plan, Skipped
from pipeline.contracts.records.run import RunError
from pipeline.selection.candidate_reports import candidate_reports


def test_candidates_are_reported_as_trained_dropped_or_failed_and_skipped_ones_last() -> None:
    names = ("won", "far", "broke", "lost")
    plan = Plan(
        metric="accuracy",
        candidates=tuple(Candidate(name=name, algorithm=name, reason=f"{name} is good") for name in names),
        jobs=(),
        skipped=(Skipped(algorithm="other", reason="too few rows"),),
    )
    error = RunError(type="CandidateFailedError", message="the loss was no number")
    outcome = JobOutcome(
        job="cpu", status="SUCCEEDED", device="cpu", seconds=3,
        candidates=(
            CandidateOutcome(candidate="won", status="trained", seconds=1),
            CandidateOutcome(candidate="far", status="dropped", reason="far behind", seconds=0),
            CandidateOutcome(candidate="broke", status="failed", error=error, seconds=2),
        ),
    )  # fmt: skip
    trials = (Trial(settings={"a": 1}, quality=0.9, seconds=1, status="best"),)
    trained = TrainedCandidate(
        candidate="won", algorithm="won", device="cpu", seconds=1.5, quality={"accuracy": 0.9}, no_int8="trees",
        tolerance=0, trials=trials, notes=("a note",), settings={"a": 1}, model_sha256="",
    )  # fmt: skip
    won, *rest = candidate_reports(plan, [outcome], [trained])
    assert (won.status, won.reason, won.seconds, won.trials, won.notes) == (
        "trained", "won is good", 1.5, trials, ("a note",),
    )  # fmt: skip
    assert [(report.candidate, report.status, report.reason) for report in rest] == [
        ("far", "dropped", "far behind"),
        ("broke", "failed", "the loss was no number"),
        ("lost", "failed", "its job ended before it finished"),
        ("other", "skipped", "too few rows"),
    ]
