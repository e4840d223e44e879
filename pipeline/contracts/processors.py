"""Processors: how many this process may use."""

from __future__ import annotations

import os

__all__ = ["count_processors"]


def count_processors() -> int:
    """Return the number of processors that this process may use, or all of the machine's where the system tells none.

    macOS and Windows have no ``os.sched_getaffinity``.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
