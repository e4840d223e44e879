"""Gap: Batch does not tell EventBridge that a job waits for a machine ("Batch Job State Change", status RUNNABLE).

On AWS every job sends this event. Here only a job that waits for more than a second does, since nothing acts on the
other events.
"""

from __future__ import annotations

import json
import threading
from contextvars import copy_context
from typing import Any

from ministack.services import batch, eventbridge

from pipeline.local.batch.job import BatchJob
from pipeline.local.private_names import private_names

__all__ = ["PRIVATE_NAMES", "emit_if_waiting"]

PRIVATE_NAMES = (
    *private_names(eventbridge, "_put_events(data, allow_aws_source)"),
    *private_names(batch, "_job_arn(job_id)"),
)

_DELAY_SECONDS = 1.0


def emit_if_waiting(job: BatchJob, queue: str) -> None:
    """Send the event if the job is still waiting after a second.

    Args:
        job: The job.
        queue: ARN of its queue.
    """
    timer = threading.Timer(_DELAY_SECONDS, copy_context().run, (_emit, job, queue))
    timer.daemon = True
    timer.start()


def _emit(job: BatchJob, queue: str) -> None:
    if job.status != "RUNNABLE":
        return
    arn = batch._job_arn(job.id)
    detail: dict[str, Any] = {
        "jobArn": arn,
        "jobName": job.request.name,
        "jobId": job.id,
        "jobQueue": queue,
        "status": "RUNNABLE",
        "attempts": [],
        "createdAt": job.created_at,
    }
    entry = {
        "Source": "aws.batch",
        "DetailType": "Batch Job State Change",
        "Detail": json.dumps(detail),
        "Resources": [arn],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
