"""Measure the cost of a request, independent of other work on the machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["measure_cost", "note_run"]

_Result = TypeVar("_Result")


class _Runs(threading.local):
    seconds = 0.0


_runs = _Runs()


def note_run(seconds: float) -> None:
    """Add the seconds that the graph takes for one request alone to the cost that this thread measures.

    The thread's CPU time does not include them if another thread ran the graph, as part of a batch.
    """
    _runs.seconds += seconds


def measure_cost(call: Callable[[], _Result]) -> tuple[_Result, float]:
    """Run a call.

    Returns:
        The result, and the seconds for which the call alone would have occupied its thread: the CPU time of the thread,
        or the time of the graph (``note_run``) if that is longer. Time that other threads took is not counted.
    """
    _runs.seconds = 0.0
    started = time.thread_time()
    result = call()
    return result, max(time.thread_time() - started, _runs.seconds)
