"""Process several columns at once: polars uses one thread per column, and releases the GIL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pipeline.contracts.processors import count_processors

__all__ = ["map_in_threads"]

_T = TypeVar("_T")
_R = TypeVar("_R")


def map_in_threads(work: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """Call ``work`` on each item in a pool of threads, and return the results in the order of the items."""
    with ThreadPoolExecutor(count_processors()) as pool:
        return list(pool.map(work, items))
