"""Count the processors that this process may use."""

from __future__ import annotations

import os

__all__ = ["count_processors"]


def count_processors() -> int:
    """Return the number of processors that this process may use.

    On macOS and Windows, which have no ``os.sched_getaffinity``, it is the number of the machine's processors.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
