"""How a run failed, as a Catch passes it on or as EventBridge tells of an execution's end -> the run's log."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import failure_recorder
from pipeline.intake.failures import parse_failure
from pipeline.lambda_handlers import bind_run, count, event_function, logger

record = failure_recorder()


@event_function
def handler(event: dict[str, Any]) -> None:
    failure = parse_failure(event)
    bind_run(failure.run)
    first = record(failure)
    logger.info("the run has failed", error=failure.error.type, first=first)
    count("RunsFailed", int(first))
