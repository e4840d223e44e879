"""Counters of rollouts, which are collected in each process and added to the table every few seconds."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.contracts.errors import ModeldropError
from pipeline.contracts.promotion.counters import latency_counter
from pipeline.contracts.table_keys import rollout_key

__all__ = ["Increment", "RolloutCounters"]

Increment = Callable[[str, str, Mapping[str, float], Mapping[str, Any]], None]  # Table.increment

_FLUSH_SECONDS = 5.0
_KEPT_SECONDS = 30 * 86_400  # seconds until the table deletes the counters of a rollout

_Rollout = tuple[str, str, str]  # tenant, model, id


class RolloutCounters:
    """Counts the requests of rollouts, their latencies, failures and differences. Thread-safe.

    If Lambda freezes the environment and no further request arrives, the counts that are not yet written are lost: at
    most a tenth of all. If the table does not respond, the counts are written later; no request fails.

    Args:
        increment: Adds to an item of the table.
        clock: Returns seconds.
        now: Returns the time as seconds since 1970.
    """

    def __init__(
        self,
        increment: Increment,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._increment = increment
        self._clock = clock
        self._now = now
        self._pending: dict[_Rollout, Counter[str]] = {}
        self._written_requests: Counter[_Rollout] = Counter()
        self._next_flush = 0.0
        self._lock = threading.Lock()

    def add(self, rollout: _Rollout, amounts: Mapping[str, float]) -> None:
        """Add amounts to the counters of a rollout, whose names are in ``contracts.promotion.counters``."""
        with self._lock:
            pending = self._pending.setdefault(rollout, Counter())
            for name, amount in amounts.items():
                pending[name] += amount  # type: ignore[assignment]  # a Counter of floats

    def add_latency(self, rollout: _Rollout, role: str, seconds: float) -> None:
        """Count the seconds that the version with the role ``live`` or ``new`` took for a request."""
        self.add(rollout, {latency_counter(role, seconds): 1})

    def count_request(self) -> None:
        """Write the counters if over a tenth of a rollout's requests are unwritten, or after ``_FLUSH_SECONDS``."""
        with self._lock:
            is_due = any(map(self._is_tenth, self._pending))
        if is_due or self._clock() >= self._next_flush:
            self.flush()

    def _is_tenth(self, rollout: _Rollout) -> bool:
        requests = _requests(self._pending[rollout])
        return requests > (self._written_requests[rollout] + requests) // 10

    def flush(self) -> None:
        """Add the counts to the table."""
        with self._lock:
            pending, self._pending = self._pending, {}
            for rollout, amounts in pending.items():
                self._written_requests[rollout] += _requests(amounts)
            self._next_flush = self._clock() + _FLUSH_SECONDS
        for (tenant, model, rollout_id), amounts in pending.items():
            try:
                expires_at = {"expires_at": int(self._now()) + _KEPT_SECONDS}
                self._increment(*rollout_key(tenant, model, rollout_id), amounts, expires_at)
            except ModeldropError:
                self.add((tenant, model, rollout_id), amounts)


def _requests(amounts: Counter[str]) -> int:
    return amounts["live_requests"] + amounts["new_requests"]
