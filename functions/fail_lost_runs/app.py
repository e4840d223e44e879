"""A schedule's tick -> runs that no execution works on any more are FAILED."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from pipeline.bootstrap import lost_runs
from pipeline.edge import event_function, logger, metrics

fail_lost_runs = lost_runs()


@event_function
def handler(event: dict[str, Any]) -> dict[str, Any]:
    lost = fail_lost_runs()
    for run in lost:
        logger.warning("the run was lost and is marked as failed", run=run)
    metrics.add_metric(name="RunsLost", unit=MetricUnit.Count, value=len(lost))
    return {"runs": len(lost)}
