"""Record why a run failed, from a Catch of the state machine or from EventBridge's event about an ended execution."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import failure_recorder
from pipeline.intake.failures import parse_failure
from pipeline.lambda_handlers import bind_run, count, event_function, logger

record = failure_recorder()


@event_function
def handler(event: dict[str, Any]) -> None:
    """Record the failure of a run, unless the run has already ended."""
    failure = parse_failure(event)
    bind_run(failure.run)
    first = record(failure)
    logger.info("run failed", error=failure.error.type, first=first)
    count("RunsFailed", int(first))
