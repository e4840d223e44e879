"""Job queues: limit how many jobs of each run at once."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Queues"]

_VCPUS = os.cpu_count() or 1


class Queues:
    """Job queues, each with all CPUs of this machine; a queue always runs at least one job.

    Queues do not wait for each other: a CPU job and a GPU job run in parallel, as they would on two machines.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[object]] = {}
        self._used: dict[str, int] = {}

    def acquire(self, queue: str, vcpus: int, *, is_canceled: Callable[[], bool]) -> bool:
        """Wait for a turn, first come first served.

        Args:
            queue: Name of the queue.
            vcpus: CPUs that the job needs.
            is_canceled: Whether the job no longer wants a turn; call ``notify_waiters`` when this changes.

        Returns:
            False if the job was canceled before its turn.
        """
        ticket = object()
        with self._changed:
            waiting = self._waiting.setdefault(queue, deque())
            waiting.append(ticket)
            self._changed.wait_for(lambda: is_canceled() or (waiting[0] is ticket and self._fits(queue, vcpus)))
            waiting.remove(ticket)
            if is_canceled():
                self._changed.notify_all()
                return False
            self._used[queue] = self._used.get(queue, 0) + vcpus
            self._changed.notify_all()
            return True

    def release(self, queue: str, vcpus: int) -> None:
        """Return the CPUs of a job that has ended."""
        with self._changed:
            self._used[queue] -= vcpus
            self._changed.notify_all()

    def notify_waiters(self) -> None:
        """Let waiting jobs check whether they were canceled."""
        with self._changed:
            self._changed.notify_all()

    def _fits(self, queue: str, vcpus: int) -> bool:
        used = self._used.get(queue, 0)
        return used == 0 or used + vcpus <= _VCPUS
