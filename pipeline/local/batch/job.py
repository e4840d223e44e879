"""One job: its attempts as processes, its status as Batch tells it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from pipeline.local.batch.request import Attempt, JobRequest
from pipeline.local.processes import child_environment

__all__ = ["Job", "Status", "now_ms"]

Status = Literal["RUNNABLE", "RUNNING", "SUCCEEDED", "FAILED"]
Say = Callable[[str, str], None]  # log stream, line

_EXITED = "Essential container in task exited"
_TIMED_OUT = "Job attempt duration exceeded timeout"


class Job:
    """A job from its submission on. ``changed`` is called after each change of its status.

    A job that is stopped has ``grace_seconds`` between SIGTERM and SIGKILL.
    """

    def __init__(self, request: JobRequest, *, changed: Callable[[Job], None], grace_seconds: float = 30.0) -> None:
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
        self._stopped: str | None = None  # why it was asked to stop
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    @property
    def stopped(self) -> bool:
        return self._stopped is not None

    def stop(self, reason: str) -> None:
        """Ask the process to end, later make it; a job that waits for its turn never starts."""
        with self._lock:
            self._stopped = self._stopped or reason
            if self._process is not None:
                self._process.send_signal(signal.SIGTERM)
                _later(self._grace_seconds, self.kill)

    def kill(self) -> None:
        """End the process and all that it started."""
        with self._lock:
            if self._process is not None:
                with suppress(ProcessLookupError):  # it has just ended
                    os.killpg(self._process.pid, signal.SIGKILL)

    def run(self, endpoint_url: str, say: Say) -> None:
        """Attempt it until it succeeds, is stopped, or may not be tried again."""
        self.started_at = now_ms()
        self._become("RUNNING")
        for number in range(1, self.request.attempts + 1):
            attempt = self._attempt(number, endpoint_url, say)
            self.attempts.append(attempt)
            if attempt.exit_code == 0 or self.stopped or not self.request.retries(attempt):
                break

    def finish(self) -> None:
        """Say how it ended; of a job that never ran, that it was stopped."""
        last = self.attempts[-1] if self.attempts else None
        self.status_reason = last.status_reason if last else self._stopped or ""
        self.stopped_at = now_ms()
        self._become("SUCCEEDED" if last is not None and last.exit_code == 0 and not self.stopped else "FAILED")
        self.ended.set()

    def _become(self, status: Status) -> None:
        self.status = status
        self._changed(self)

    def _attempt(self, number: int, endpoint_url: str, say: Say) -> Attempt:
        started, stream = now_ms(), f"{self.request.log_prefix}/default/{self.id}-{number}"
        process = self._start(self._environment(number, endpoint_url))
        if process is None:
            return self._ended(started, stream, None)
        timer = _later(self.request.attempt_seconds, self.stop, _TIMED_OUT)
        assert process.stdout is not None
        for line in process.stdout:
            say(stream, line.rstrip("\n"))
        code = process.wait()
        timer.cancel()
        self._forget(process)
        return self._ended(started, stream, code)

    def _start(self, environment: dict[str, str]) -> subprocess.Popen[str] | None:
        """None when it was stopped before."""
        with self._lock:
            if self.stopped:
                return None
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.local.supervise", str(os.getpid()), *self.request.command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            return self._process

    def _forget(self, process: subprocess.Popen[str]) -> None:
        """Nobody signals a process id that may be another's by now."""
        with self._lock:
            self._process = None
        assert process.stdout is not None
        process.stdout.close()

    def _ended(self, started: int, stream: str, code: int | None) -> Attempt:
        reason = self._stopped or _EXITED
        return Attempt(started_at=started, stopped_at=now_ms(), exit_code=code, status_reason=reason, log_stream=stream)

    def _environment(self, number: int, endpoint_url: str) -> dict[str, str]:
        return child_environment(endpoint_url, self.request.environment) | {
            "AWS_BATCH_JOB_ID": self.id,
            "AWS_BATCH_JOB_ATTEMPT": str(number),
            "AWS_BATCH_JQ_NAME": self.request.queue,
            "AWS_BATCH_CE_NAME": self.request.queue,
        }


def now_ms() -> int:
    return int(time.time() * 1000)


def _later(seconds: float | None, what: Callable[..., None], *arguments: Any) -> threading.Timer:
    """None is never."""
    timer = threading.Timer(seconds or 0, what, arguments)
    timer.daemon = True
    if seconds is not None:
        timer.start()
    return timer
