"""Work on many columns at once: polars uses one thread for a column, and releases the lock meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["count_processors", "map_in_threads"]

_T = TypeVar("_T")
_R = TypeVar("_R")


def count_processors() -> int:
    """Return the number of processors that this process may use; that of the machine where the system has no such."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_threads(work: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """Call ``work`` on each item in a pool of threads, and return the results in the order of the items."""
    with ThreadPoolExecutor(count_processors()) as pool:
        return list(pool.map(work, items))
