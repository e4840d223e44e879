"""Determine how a Batch job ended, from its outcome and Batch's reason: ``.sync`` reports only States.TaskFailed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.contracts.errors import (
    CapacityUnavailableError,
    ImageUnavailableError,
    JobCrashedError,
    JobInterruptedError,
    ModeldropError,
    NoCandidateSurvivedError,
    ObjectNotFoundError,
    TransientError,
    error_named,
)
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.outcome import JobOutcome
from pipeline.intake.failures import parse_cause

__all__ = ["check_job", "require_survivor"]

# In the reason of a job that was canceled because it got no machine; written by Batch or by waits.asl.json.
_NO_MACHINE = ("CAPACITY:", "MISCONFIGURATION:")
_NO_TASK = "ResourceInitializationError"  # Fargate could not start the container: no network interface, no registry
_NO_IMAGE = "CannotPull"  # the ECS agent's errors: CannotPullContainerError, CannotPullImageManifestError
_MAX_REASON = 300  # characters of a reason in a message


def check_job(run: str, job: str, cause: str, *, artifacts: ObjectStore) -> None:
    """Raise the error of a failed job; return if the job nevertheless wrote a successful outcome.

    Args:
        run: Name of the run.
        job: Name of the job.
        cause: Cause of States.TaskFailed: Batch's description of the job, as JSON.
        artifacts: Bucket that holds the job's outcome.

    Raises:
        CapacityUnavailableError: The job got no machine in time.
        ImageUnavailableError: The job's container image could not be pulled.
        JobInterruptedError: The job failed with a TransientError, or every attempt was interrupted.
        JobCrashedError: The job ended without an outcome.
        ModeldropError: The error in the job's outcome.
    """
    outcome = _read_outcome(run, job, artifacts)
    if outcome is not None and outcome.status == "SUCCEEDED":
        return  # the job was interrupted, or did not stop, after it had written the outcome
    described = _parse_job(cause)
    reason = str(described.get("StatusReason", ""))
    if any(marker in reason for marker in _NO_MACHINE):
        reason = reason.removesuffix(": ")[:_MAX_REASON]  # Batch may have given no reason
        raise CapacityUnavailableError(f"the job '{job}' did not get a machine in time ({reason})")
    if outcome is not None and outcome.error is not None:
        raise _without_retry(error_named(outcome.error.type, outcome.error.message))
    if (starting := _find_reason(described, _NO_TASK)) is not None:
        raise CapacityUnavailableError(f"Fargate could not start the job '{job}' ({starting[:_MAX_REASON]})")
    if (pulling := _find_reason(described, _NO_IMAGE)) is not None:
        raise ImageUnavailableError(
            f"the job '{job}' has no container image ({pulling[:_MAX_REASON]}): push an image with the tag in its job "
            "definition"
        )
    raise JobCrashedError(f"the job '{job}' ended without an outcome{_failure_reason(described)}: its log may say more")


def require_survivor(run: str, jobs: Sequence[str], *, artifacts: ObjectStore) -> None:
    """Check that at least one candidate was trained.

    Args:
        run: Name of the run.
        jobs: Names of all training jobs.
        artifacts: Bucket that holds the jobs' outcomes.

    Raises:
        NoCandidateSurvivedError: No candidate was trained; the message has each candidate's and each job's error.
    """
    failures = []
    for job in jobs:
        outcome = _read_outcome(run, job, artifacts)
        if outcome is None:
            failures.append(f"the job '{job}' ended without an outcome")
            continue
        if any(candidate.status == "trained" for candidate in outcome.candidates):
            return
        if outcome.error is not None:
            failures.append(f"the job '{job}': {outcome.error.message}")
        failures += [
            f"{candidate.candidate}: {candidate.error.message}"
            for candidate in outcome.candidates
            if candidate.error is not None
        ]
    raise NoCandidateSurvivedError(f"no candidate could be trained: {'; '.join(failures)}")


def _read_outcome(run: str, job: str, artifacts: ObjectStore) -> JobOutcome | None:
    """Read the outcome of a job; None if it wrote none."""
    try:
        return JobOutcome.from_bytes(artifacts.get(RunKeys(run).outcome(job)))
    except ObjectNotFoundError:
        return None


def _without_retry(error: ModeldropError) -> ModeldropError:
    """Replace a job's TransientError, for which the state machine would retry this function without success."""
    return JobInterruptedError(error.message) if isinstance(error, TransientError) else error


def _find_reason(described: dict[str, Any], prefix: str) -> str | None:
    """Return the first reason that begins with ``prefix``, from the job or from the containers of its attempts."""
    containers = [ran.get("Container") or {} for ran in (described, *(described.get("Attempts") or ()))]
    reasons = [*(str(container.get("Reason", "")) for container in containers), str(described.get("StatusReason", ""))]
    return next((reason for reason in reasons if reason.startswith(prefix)), None)


def _parse_job(cause: str) -> dict[str, Any]:
    """Parse Batch's description of the job; for several nodes it is nested in the Cause of a child execution."""
    document = parse_cause(cause)
    if document is None:
        return {"StatusReason": cause}
    return _parse_job(str(document.get("Cause", ""))) if "ExecutionArn" in document else document


def _failure_reason(described: dict[str, Any]) -> str:
    container = described.get("Container") or {}
    code = container.get("ExitCode")
    details = [f"exit code {code}"] if code is not None else []
    details += [text for text in (container.get("Reason"), described.get("StatusReason")) if text]
    return f" ({', '.join(details)})" if details else ""
