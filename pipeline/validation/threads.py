"""Work on many columns at once: polars does a column in one thread, and lets others run meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["processors", "side_by_side"]

_T = TypeVar("_T")
_R = TypeVar("_R")


def processors() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(work: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """``work`` on each of ``items``, in their order."""
    with ThreadPoolExecutor(processors()) as pool:
        return list(pool.map(work, items))
