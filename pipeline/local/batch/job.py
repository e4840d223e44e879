"""One Batch job: its attempts as processes, one per node, and its status."""

from __future__ import annotations

import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Literal

from pipeline.local.batch.container import Container
from pipeline.local.batch.request import Attempt, JobRequest
from pipeline.local.processes import child_environment

__all__ = ["BatchJob", "Status", "now_ms"]

Status = Literal["RUNNABLE", "RUNNING", "SUCCEEDED", "FAILED"]
WriteLine = Callable[[str, str], None]  # log stream, line

_EXITED = "Essential container in task exited"
_TIMED_OUT = "Job attempt duration exceeded timeout"


class BatchJob:
    """A submitted job.

    With several nodes, the main node (0) decides: when it ends, the others are stopped, and its exit code is the job's.
    The main node itself must notice the loss of another node.

    Args:
        request: The job to run.
        changed: Called after each change of the status.
        grace_seconds: Seconds between SIGTERM and SIGKILL when the job is stopped.
    """

    def __init__(
        self, request: JobRequest, *, changed: Callable[[BatchJob], None], grace_seconds: float = 30.0
    ) -> None:
        self.id = str(uuid.uuid4())
        self.request = request
        self.status: Status = "RUNNABLE"
        self.status_reason = ""
        self.created_at = now_ms()
        self.started_at: int | None = None
        self.stopped_at: int | None = None
        self.attempts: list[Attempt] = []
        self.ended = threading.Event()
        self._changed = changed
        self._grace_seconds = grace_seconds
        self._stopped: str | None = None  # reason of the stop request
        self._containers: list[Container] = []
        self._lock = threading.Lock()

    @property
    def stopped(self) -> bool:
        """Return whether the job was asked to stop."""
        return self._stopped is not None

    def stop(self, reason: str) -> None:
        """Send SIGTERM to the job's processes, and SIGKILL after the grace period; a waiting job never starts."""
        with self._lock:
            self._stopped = self._stopped or reason
            _stop(self._containers, self._grace_seconds)

    def kill(self) -> None:
        """Kill the job's processes and everything that they started."""
        with self._lock:
            for container in self._containers:
                container.kill()

    def run(self, endpoint_url: str, write_line: WriteLine) -> None:
        """Run attempts until one succeeds, the job is stopped, or no retry is allowed."""
        self.started_at = now_ms()
        self._set_status("RUNNING")
        for number in range(1, self.request.attempts + 1):
            attempt = self._attempt(number, endpoint_url, write_line)
            self.attempts.append(attempt)
            if attempt.exit_code == 0 or self.stopped or not self.request.retries(attempt):
                break

    def finish(self) -> None:
        """Set the final status and its reason."""
        last = self.attempts[-1] if self.attempts else None
        self.status_reason = last.status_reason if last else self._stopped or ""
        self.stopped_at = now_ms()
        self._set_status("SUCCEEDED" if last is not None and last.exit_code == 0 and not self.stopped else "FAILED")
        self.ended.set()

    def _set_status(self, status: Status) -> None:
        self.status = status
        self._changed(self)

    def _attempt(self, number: int, endpoint_url: str, write_line: WriteLine) -> Attempt:
        started = now_ms()
        main, *workers = self._start(number, endpoint_url) or (None,)
        if main is None:
            return self._make_attempt(started, self._stream(number, 0), None)
        timer = _start_timer(self.request.attempt_seconds, self.stop, _TIMED_OUT)
        threads = [threading.Thread(target=container.wait, args=(write_line,), daemon=True) for container in workers]
        for thread in threads:
            thread.start()
        code = main.wait(write_line)
        _stop(workers, self._grace_seconds)
        for thread in threads:
            thread.join()
        timer.cancel()
        return self._make_attempt(started, main.stream, code)

    def _start(self, number: int, endpoint_url: str) -> list[Container]:
        """Start one container per node; none if the job was stopped before."""
        with self._lock:
            nodes = range(0 if self.stopped else self.request.nodes)
            port = _free_port()
            self._containers = [
                Container(
                    self.request.command,
                    self._environment(number, endpoint_url) | self._environment_of_node(node, port),
                    stream=self._stream(number, node),
                )
                for node in nodes
            ]
            return self._containers

    def _stream(self, number: int, node: int) -> str:
        return f"{self.request.log_prefix}/default/{self.id}-{number}" + (f"-node-{node}" if node else "")

    def _make_attempt(self, started: int, stream: str, code: int | None) -> Attempt:
        reason = self._stopped or _EXITED
        return Attempt(started_at=started, stopped_at=now_ms(), exit_code=code, status_reason=reason, log_stream=stream)

    def _environment(self, number: int, endpoint_url: str) -> dict[str, str]:
        return child_environment(endpoint_url, self.request.environment) | {
            "AWS_BATCH_JOB_ID": self.id,
            "AWS_BATCH_JOB_ATTEMPT": str(number),
            "AWS_BATCH_JQ_NAME": self.request.queue,
            "AWS_BATCH_CE_NAME": self.request.queue,
        }

    def _environment_of_node(self, node: int, port: int) -> dict[str, str]:
        """Return the variables that Batch sets, and those that several nodes on one machine need.

        Batch does not tell the main node its own address.
        """
        if self.request.nodes == 1:
            return {}
        return {
            "AWS_BATCH_JOB_ID": f"{self.id}#{node}",
            "AWS_BATCH_JOB_NODE_INDEX": str(node),
            "AWS_BATCH_JOB_NUM_NODES": str(self.request.nodes),
            "AWS_BATCH_JOB_MAIN_NODE_INDEX": "0",
            **({"AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": "127.0.0.1"} if node else {}),
            "MODELDROP_PORT": str(port),
            "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
        }


def now_ms() -> int:
    """Return the time in milliseconds since the epoch."""
    return int(time.time() * 1000)


def _start_timer(seconds: float | None, action: Callable[..., None], *arguments: Any) -> threading.Timer:
    """Call ``action`` after ``seconds``; never if ``seconds`` is None."""
    timer = threading.Timer(seconds or 0, action, arguments)
    timer.daemon = True
    if seconds is not None:
        timer.start()
    return timer


def _stop(containers: list[Container], grace_seconds: float) -> None:
    for container in containers:
        container.stop()
        _start_timer(grace_seconds, container.kill)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
