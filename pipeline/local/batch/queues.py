"""Job queues: how many jobs of each run at once."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Queues"]

_VCPUS = os.cpu_count() or 1


class Queues:
    """Each queue has this machine's CPUs to give, and always runs one job, whatever it asks for.

    Queues do not wait for each other: a CPU job and a GPU job run side by side, as they would on two machines.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[object]] = {}
        self._used: dict[str, int] = {}

    def acquire(self, queue: str, vcpus: int, *, cancelled: Callable[[], bool]) -> bool:
        """Wait for a turn, first come first served; false when ``cancelled`` came before it."""
        ticket = object()
        with self._changed:
            waiting = self._waiting.setdefault(queue, deque())
            waiting.append(ticket)
            self._changed.wait_for(lambda: cancelled() or (waiting[0] is ticket and self._fits(queue, vcpus)))
            waiting.remove(ticket)
            if cancelled():
                self._changed.notify_all()
                return False
            self._used[queue] = self._used.get(queue, 0) + vcpus
            self._changed.notify_all()
            return True

    def release(self, queue: str, vcpus: int) -> None:
        with self._changed:
            self._used[queue] -= vcpus
            self._changed.notify_all()

    def notify_waiters(self) -> None:
        """Let those who wait see that they are cancelled."""
        with self._changed:
            self._changed.notify_all()

    def _fits(self, queue: str, vcpus: int) -> bool:
        used = self._used.get(queue, 0)
        return used == 0 or used + vcpus <= _VCPUS
