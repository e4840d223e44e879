"""Drop candidates that ``limits.dollars`` does not pay for."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.plan import Skipped
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.planning.estimates import DOLLARS_AN_HOUR, ESTIMATE_TOLERANCE, start_dollars
from pipeline.planning.jobs import PlannedCandidate, fits_one_job, sum_seconds

__all__ = ["within_dollars"]


def within_dollars(
    planned: Sequence[PlannedCandidate], dataset: Dataset, spec: JobSpec
) -> tuple[list[PlannedCandidate], list[Skipped]]:
    """Drop the most expensive candidates until ``limits.dollars`` pays for a machine's start and the other candidates.

    Estimates are good to a factor of three (``ESTIMATE_TOLERANCE``), so a dropped candidate costs more than three times
    what the limit leaves for it. Candidates that the spec names are not dropped; their job ends when its dollars are
    spent.

    Args:
        planned: The candidates, with their estimated seconds.
        dataset: The data set.
        spec: Limits, and the named algorithms.

    Returns:
        The affordable candidates, in their order, and the dropped ones, each with the reason.

    Raises:
        InvalidJobSpecError: The limit does not pay for the fastest candidate.
    """
    limit = spec.limits.dollars
    if limit is None:
        return list(planned), []
    candidates, skipped = list(planned), list[Skipped]()
    while len(candidates) > 1 and spec.algorithms is None and not _is_affordable(limit, candidates, dataset, spec):
        start, training = _dollars(candidates, dataset, spec)
        costliest = max(candidates, key=_seconds)
        candidates.remove(costliest)
        reason = f"with it, the run is estimated at ${start + training:.2g}, and limits.dollars is {limit:g}"
        skipped.append(Skipped(algorithm=costliest.candidate.algorithm, reason=reason))
    fastest = min(candidates, key=_seconds)
    if not _is_affordable(limit, [fastest], dataset, spec):
        start, training = _dollars([fastest], dataset, spec)
        raise InvalidJobSpecError(
            f"limits.dollars is {limit:g}, and the start of a machine with {fastest.candidate.name}, the fastest "
            f"candidate, is estimated at ${start + training:.2g}: at least that much is expected"
        )
    return candidates, skipped


def _seconds(planned: PlannedCandidate) -> float:
    return planned.seconds or 0.0


def _is_affordable(limit: float, planned: Sequence[PlannedCandidate], dataset: Dataset, spec: JobSpec) -> bool:
    start, training = _dollars(planned, dataset, spec)
    return start + training / ESTIMATE_TOLERANCE <= limit


def _dollars(planned: Sequence[PlannedCandidate], dataset: Dataset, spec: JobSpec) -> tuple[float, float]:
    """Return the dollars of a machine's start and of all training in one job; a user's code has a separate job."""
    queue = "fargate" if fits_one_job(planned, dataset, spec) else "cpu"
    has_code = any(candidate.queue == "code" for candidate in planned)
    minutes = sum_seconds(planned) / 60
    start = start_dollars(queue) + has_code * start_dollars("code")
    return start, minutes * DOLLARS_AN_HOUR[queue] / 60
