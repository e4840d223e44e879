"""Scheduled function: mark runs that are RUNNING, but have no running execution, as FAILED."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import lost_runs
from pipeline.lambda_handlers import count, event_function, logger

fail_lost_runs = lost_runs()


@event_function
def handler(event: dict[str, Any]) -> dict[str, Any]:
    """Mark lost runs as FAILED, and return their number."""
    lost = fail_lost_runs()
    for run in lost:
        logger.warning("lost run marked as failed", run=run)
    count("RunsLost", len(lost))
    return {"runs": len(lost)}
