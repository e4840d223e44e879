"""Find and occupy the stack's Batch queues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.helpers.cloud_driver import Cloud
from tests.local.conftest import until

__all__ = ["find_queue", "occupied", "waiting_job"]


def find_queue(cloud: Cloud, word: str) -> str:
    """Return the ARN of the queue whose name contains ``word``."""
    queues = cloud.session.client("batch").describe_job_queues()["jobQueues"]
    return next(str(queue["jobQueueArn"]) for queue in queues if word in queue["jobQueueName"])


@contextmanager
def occupied(cloud: Cloud, queue: str, definition: str) -> Iterator[None]:
    """Occupy all of a queue's capacity with another job until the block ends.

    Args:
        cloud: The deployed stack.
        queue: The queue's ARN.
        definition: End of the name of the job's definition.
    """
    batch = cloud.session.client("batch")
    definitions = batch.describe_job_definitions()["jobDefinitions"]
    job = batch.submit_job(
        jobName="busy",
        jobQueue=queue,
        jobDefinition=next(
            found["jobDefinitionArn"] for found in definitions if found["jobDefinitionName"].endswith(definition)
        ),
        containerOverrides={"command": ["sleep", "200"]},
        retryStrategy={"attempts": 1},
    )["jobId"]
    yield
    batch.terminate_job(jobId=job, reason="the test is over")


def waiting_job(cloud: Cloud, queue: str, name: str) -> str:
    """Wait until the job with this name is RUNNABLE in the queue, and return its id."""
    batch = cloud.session.client("batch")

    def waiting() -> list[str]:
        jobs = batch.list_jobs(jobQueue=queue, jobStatus="RUNNABLE")["jobSummaryList"]
        return [job["jobId"] for job in jobs if job["jobName"] == name]

    (job,) = until(waiting, 60)
    return job
