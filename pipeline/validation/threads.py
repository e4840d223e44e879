"""Work on many columns at once: polars does a column in one thread, and lets others run meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["count_processors", "map_in_threads"]

_T = TypeVar("_T")
_R = TypeVar("_R")


def count_processors() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_threads(work: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """``work`` on each of ``items``, in their order."""
    with ThreadPoolExecutor(count_processors()) as pool:
        return list(pool.map(work, items))
