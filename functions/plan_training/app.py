"""State ``plan``: the Dataset -> a Plan, and the Batch jobs that it asks for."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import planner
from pipeline.edge import state_function

plan = planner()


@state_function
def handler(run: str) -> dict[str, Any]:
    return {"jobs": [{"name": job.name, "queue": job.queue, "nodes": job.nodes} for job in plan(run).jobs]}
