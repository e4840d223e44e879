"""State ``plan``: make a Plan for the data set, and return its Batch jobs."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import planner
from pipeline.lambda_handlers import state_function

plan = planner()


@state_function
def handler(run: str) -> dict[str, Any]:
    """Plan the training of a run."""
    planned = plan(run)
    jobs = [{"name": job.name, "queue": job.queue, "nodes": job.nodes} for job in planned.jobs]
    return {"jobs": jobs, "one_job": planned.one_job, "ensemble": planned.ensemble is not None}
