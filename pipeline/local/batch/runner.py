"""Run the jobs of the embedded cloud, in the order of their queues and each with a log of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path

from pipeline.local.batch.job import BatchJob
from pipeline.local.batch.queues import Queues
from pipeline.local.batch.request import JobRequest

__all__ = ["JobRunner", "WriteLog"]

WriteLog = Callable[[str, str, str], None]  # log group, log stream, line


class JobRunner:
    """Runs jobs.

    Args:
        endpoint_url: Endpoint that jobs call.
        logs: Folder for <job name>.log.
        write_log: Called with log group, log stream and each line.
        grace_seconds: Seconds between SIGTERM and SIGKILL when a job is stopped.
    """

    def __init__(self, endpoint_url: str, logs: Path, *, write_log: WriteLog, grace_seconds: float = 30.0) -> None:
        self._endpoint_url = endpoint_url
        self._logs = logs
        self._write_log = write_log
        self._grace_seconds = grace_seconds
        self._queues = Queues()
        self._jobs: dict[str, BatchJob] = {}

    def submit(self, request: JobRequest, *, changed: Callable[[BatchJob], None]) -> BatchJob:
        """Start a job as soon as its queue has room.

        Args:
            request: The job to run.
            changed: Called after each change of the job's status, in the caller's context (contextvars) but another
                thread.
        """
        job = BatchJob(request, changed=changed, grace_seconds=self._grace_seconds)
        self._jobs[job.id] = job
        changed(job)
        threading.Thread(
            target=copy_context().run, args=(self._run, job), name=f"job-{request.name}", daemon=True
        ).start()
        return job

    def stop(self, job_id: str, reason: str) -> None:
        """Stop a job; ignored if it has ended or does not exist."""
        job = self._jobs.get(job_id)
        if job is not None and not job.ended.is_set():
            job.stop(reason)
            self._queues.notify_waiters()

    def end(self) -> None:
        """Kill all jobs."""
        for job in list(self._jobs.values()):
            job.stop("the embedded cloud has ended")
            job.kill()

    def _run(self, job: BatchJob) -> None:
        request = job.request
        try:
            if self._queues.acquire(request.queue, request.vcpus, is_canceled=lambda: job.stopped):
                try:
                    self._run_now(job)
                finally:
                    self._queues.release(request.queue, request.vcpus)
        finally:
            job.finish()
            del self._jobs[job.id]

    def _run_now(self, job: BatchJob) -> None:
        lines = threading.Lock()  # several nodes write at once
        with (self._logs / f"{job.request.name}.log").open("a", buffering=1) as file:

            def write_line(stream: str, line: str) -> None:
                with lines:
                    file.write(f"{line}\n")
                    self._write_log(job.request.log_group, stream, line)

            job.run(self._endpoint_url, write_line)
