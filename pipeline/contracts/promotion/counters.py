"""Names of a rollout's counters, which serving adds to and the registry judges by.

``live_requests``, ``new_requests``: requests that a version had. ``new_failed``: those that the new version failed and
the live one does not. ``live_latency_17`` ...: requests by duration. ``compared``, ``different``: labels. ``values``,
``live_sum``, ``live_squares``, ``difference_squares``: of compared values. ``dropped``: comparisons that a busy server
left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["LATENCY_RATIO", "latency_counter", "latency_quantile"]

LATENCY_RATIO = 1.25  # of the bounds of two neighboring counters
_SHORTEST = 1e-5  # seconds
_MARK = "_latency_"


def latency_counter(role: str, seconds: float) -> str:
    """Return the name of the counter of a duration."""
    number = 0 if seconds <= _SHORTEST else math.ceil(math.log(seconds / _SHORTEST, LATENCY_RATIO))
    return f"{role}{_MARK}{number}"


def latency_quantile(counters: Mapping[str, float], role: str, quantile: float) -> float | None:
    """Return a quantile of durations.

    Args:
        counters: All counters of a rollout.
        role: ``live`` or ``new``.
        quantile: Which one, from 0 to 1.

    Returns:
        Seconds, at most LATENCY_RATIO times too large; None if nothing was counted.
    """
    prefix = f"{role}{_MARK}"
    counts = sorted((int(name.removeprefix(prefix)), n) for name, n in counters.items() if name.startswith(prefix))
    remaining = quantile * sum(count for _, count in counts)
    for number, count in counts:
        remaining -= count
        if remaining <= 1e-9:
            return float(_SHORTEST * LATENCY_RATIO**number)
    return None
