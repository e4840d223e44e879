"""Decide where a request runs: in the event loop if it is fast, otherwise in a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pipeline.contracts.errors import DeadlineExceededError, OverloadedError
from pipeline.server.execution.run_time import measure_cost
from pipeline.server.limits import ServerLimits
from pipeline.server.telemetry.metrics import ServerMetrics

__all__ = ["MAX_INLINE_BYTES", "MAX_INLINE_SECONDS", "Dispatcher"]

MAX_INLINE_SECONDS = 0.001  # longer requests would block the event loop; running in a thread costs about 0.1 ms
MAX_INLINE_BYTES = 64 << 10
_MAX_TRACKED = 4_096  # keys whose average duration is stored
_WEIGHT = 0.1  # weight of the newest duration in the moving average
_MAX_RISE = 5.0  # cap of a new duration, as a multiple of the moving average
_MEASURED_EVERY = 16  # requests in the event loop between two measurements of CPU time, each of which is a system call
_THREADS = 64  # each request that waits for a batch occupies a thread

_Result = TypeVar("_Result")


class Dispatcher:
    """Runs requests, at most ``limits.max_concurrent`` at once. Used in the thread of the event loop.

    Args:
        limits: Bounds of concurrency and queue time.
        metrics: Counts requests.
        clock: Returns seconds.
    """

    def __init__(
        self, limits: ServerLimits, metrics: ServerMetrics, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="predict")
        self._seconds: dict[str, float] = {}
        self._suspects: set[str] = set()  # keys whose last request blocked the event loop: a thread runs the next one
        self._until_measured = 0
        self._open = 0
        metrics.in_flight.set_function(lambda: self._open)

    def enter(self) -> None:
        """Count a request as open.

        Raises:
            OverloadedError: The maximum number of requests is open.
        """
        if self._open >= self._limits.max_concurrent:
            raise OverloadedError(f"the server has {self._open} open requests, its maximum: try again later")
        self._open += 1

    def leave(self) -> None:
        """Count a request as ended."""
        self._open -= 1

    def is_fast(self, key: str, size: int) -> bool:
        """Return whether a request is expected to be fast enough for the event loop.

        Args:
            key: Identifies requests of similar duration, such as the path.
            size: Size of the body in bytes.
        """
        return (
            size <= MAX_INLINE_BYTES
            and self._seconds.get(key, MAX_INLINE_SECONDS) < MAX_INLINE_SECONDS
            and key not in self._suspects
        )

    def run_in_loop(self, key: str, call: Callable[[], _Result]) -> _Result:
        """Run a fast request in the event loop. After a slow request, a thread runs the next request of the same key.

        Args:
            key: Identifies requests of similar duration.
            call: Runs the request.
        """
        if self._until_measured == 0:
            self._until_measured = _MEASURED_EVERY
            result, seconds = measure_cost(call)
            self.record_cost(key, seconds)
        else:
            self._until_measured -= 1
            started = self._clock()
            result = call()
            seconds = self._clock() - started
        if seconds >= MAX_INLINE_SECONDS:  # perhaps only because other work had the CPU: the next request decides
            self._suspects.add(key)
        return result

    def run_measured(self, key: str, call: Callable[[], _Result]) -> _Result:
        """Run a request and learn its cost. Thread-safe."""
        result, seconds = measure_cost(call)
        if key in self._suspects:
            if seconds >= MAX_INLINE_SECONDS:
                self._seconds[key] = seconds  # slow twice in a row: requests of this key have become slow
            self._suspects.discard(key)
        self.record_cost(key, seconds)
        return result

    def record_cost(self, key: str, seconds: float) -> None:
        """Add the cost of a successful request, from ``measure_cost``, to the moving average. Thread-safe."""
        old = self._seconds.get(key)
        if old is None:
            if len(self._seconds) >= _MAX_TRACKED:
                self._seconds.clear()
                self._suspects.clear()
            # The first request of a key includes the warm-up of its graph, so its duration is capped.
            self._seconds[key] = min(seconds, MAX_INLINE_SECONDS)
            return
        # The garbage collector may delay a single request, so a new duration is capped.
        self._seconds[key] = old + _WEIGHT * (min(seconds, _MAX_RISE * old) - old)

    def run_in_thread(self, call: Callable[[], _Result], seconds: float | None = None) -> asyncio.Future[_Result]:
        """Run a call in a thread.

        Args:
            call: The call.
            seconds: Seconds from now until the deadline for the start of the call; None without a deadline.

        Returns:
            Future of the result. It fails with OverloadedError if the call waited longer than the server's limit for a
            thread, and with DeadlineExceededError if it waited beyond the deadline.
        """
        queued = self._clock()

        def run() -> _Result:
            waited = self._clock() - queued
            self._metrics.record_queue(waited)
            if waited > self._limits.max_queue_seconds:
                raise OverloadedError(f"the request waited {waited:.1f} s for a thread: try again later")
            if seconds is not None and waited > seconds:
                raise DeadlineExceededError(f"the request waited {waited:.3f} s for a thread, longer than its deadline")
            return call()

        return asyncio.get_running_loop().run_in_executor(self._threads, run)

    def close(self) -> None:
        """End the threads once they are idle."""
        self._threads.shutdown(wait=False, cancel_futures=True)
