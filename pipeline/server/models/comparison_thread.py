"""Run the comparisons of rollouts in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["ComparisonThread"]

_MAX_WAITING = 64  # comparisons, each of which holds a request's body and predictions in memory


class ComparisonThread:
    """A single background thread, so that comparisons take at most one CPU core from requests. Thread-safe."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="compare")
        self._free = threading.BoundedSemaphore(_MAX_WAITING)

    def submit(self, comparison: Callable[[], None]) -> bool:
        """Queue a comparison and return True; if too many are waiting, discard it and return False."""
        if not self._free.acquire(blocking=False):
            return False
        self._pool.submit(comparison).add_done_callback(self._release)
        return True

    def wait(self) -> None:
        """Wait for the comparisons that were submitted."""
        self._pool.submit(lambda: None).result()

    def _release(self, future: Future[None]) -> None:
        self._free.release()
