"""Measure the time that a request costs, independent of other work of the machine."""

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
    """Tell the request of this thread how long its graph takes alone; it may have waited for another's run instead."""
    _runs.seconds += seconds


def measure_cost(call: Callable[[], _Result]) -> tuple[_Result, float]:
    """Run a call.

    Returns:
        Its result, and the seconds that it would have held up its thread: its own CPU time, or the time of its graph
        if that is longer. Time that other threads took from it is not counted.
    """
    _runs.seconds = 0.0
    started = time.thread_time()
    result = call()
    return result, max(time.thread_time() - started, _runs.seconds)
