"""The plan of a model that was trained elsewhere: nothing is trained."""

from __future__ import annotations

from pipeline.contracts.records.plan import BROUGHT, Candidate, Plan, TrainingJob
from pipeline.contracts.spec.job_spec import JobSpec

__all__ = ["plan_brought_model"]


def plan_brought_model(spec: JobSpec) -> Plan:
    """Return a plan whose one job checks and compresses the uploaded file.

    The job replaces the metric, which the file's outputs decide.
    """
    candidate = Candidate(name=BROUGHT, algorithm=BROUGHT, reason="it is served as it was uploaded")
    return Plan(
        metric=spec.metric or "accuracy",
        candidates=(candidate,),
        jobs=(TrainingJob(name="check", queue="cpu", candidates=(BROUGHT,)),),
        one_job=True,
        seed=spec.seed,
    )
