"""Names of a rollout's counters, which serving increments and the registry evaluates.

``live_requests``, ``new_requests``: requests of a version. ``new_failed``: requests that the new version failed and the
live version does not fail. ``live_latency_17`` ...: histogram of the duration of requests. ``compared``,
``different``: compared labels, and those that differ. ``values``, ``live_sum``, ``live_squares``,
``difference_squares``: number of compared values, sum and sum of squares of the live version's values, sum of squared
differences. ``dropped``: comparisons that a busy server skipped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["LATENCY_RATIO", "latency_counter", "latency_quantile"]

LATENCY_RATIO = 1.25  # ratio of the upper bounds of two neighboring counters
_SHORTEST = 1e-5  # seconds: upper bound of counter 0
_MARK = "_latency_"


def latency_counter(role: str, seconds: float) -> str:
    """Return the name of the counter for a request of this duration."""
    number = 0 if seconds <= _SHORTEST else math.ceil(math.log(seconds / _SHORTEST, LATENCY_RATIO))
    return f"{role}{_MARK}{number}"


def latency_quantile(counters: Mapping[str, float], role: str, quantile: float) -> float | None:
    """Return a quantile of the durations of a version's requests.

    Args:
        counters: All counters of a rollout.
        role: ``live`` or ``new``.
        quantile: Quantile, from 0 to 1.

    Returns:
        Seconds, at most LATENCY_RATIO times too large; None if no request was counted.
    """
    prefix = f"{role}{_MARK}"
    counts = sorted((int(name.removeprefix(prefix)), n) for name, n in counters.items() if name.startswith(prefix))
    remaining = quantile * sum(count for _, count in counts)
    for number, count in counts:
        remaining -= count
        if remaining <= 1e-9:
            return float(_SHORTEST * LATENCY_RATIO**number)
    return None
