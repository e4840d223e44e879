"""Judge a rollout by its measurements."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from pipeline.contracts.promotion.rollout import Rollout
from pipeline.registry.rollouts.statistics import RolloutStatistics, wilson_lower_bound

__all__ = ["Verdict", "judge"]

_MIN_REQUESTS = 10  # requests that a failure rate needs to be judged
_MIN_MEASURED = 50  # requests of each version that a percentile needs, and rows that a disagreement needs
_MIN_SECONDS = 1e-3  # a faster p95 is never a breach: below this, noise of the machine dominates


class Verdict(NamedTuple):
    """State of a rollout.

    Attributes:
        outcome: ``breached``: a bound is exceeded; ``passed``: its time is over without a breach; else ``running``.
        reason: Reason, for the history; empty while the rollout runs.
    """

    outcome: Literal["running", "passed", "breached"]
    reason: str = ""


def judge(rollout: Rollout, measured: RolloutStatistics, now: datetime) -> Verdict:
    """Judge a rollout.

    A proportion exceeds its bound if the lower end of its 95 % interval does, so that a few requests do not end a
    rollout by chance.
    """
    breach = _failures(rollout, measured) or _latency(rollout, measured) or _disagreement(rollout, measured)
    if breach:
        return Verdict("breached", f"{breach} ({measured.sentence})")
    if now < rollout.ends_at:
        return Verdict("running")
    if not measured.new_requests:
        return Verdict("passed", f"{rollout.duration} without a request for it")
    return Verdict("passed", f"{rollout.duration} within the bounds ({measured.sentence})")


def _failures(rollout: Rollout, measured: RolloutStatistics) -> str | None:
    if measured.new_requests < _MIN_REQUESTS:
        return None
    failed = min(measured.new_failed, measured.new_requests)  # a process adds to the counters one after the other
    if wilson_lower_bound(failed, measured.new_requests) <= rollout.max_failures:
        return None
    failure_rate = failed / measured.new_requests
    allowed = f"at most {rollout.max_failures:.1%} may"
    return f"{failure_rate:.1%} of its requests failed, which the live version answers: {allowed}"


def _latency(rollout: Rollout, measured: RolloutStatistics) -> str | None:
    live, new = measured.live_p95, measured.new_p95
    if live is None or new is None or min(measured.live_requests, measured.new_requests) < _MIN_MEASURED:
        return None
    if new <= rollout.max_slowdown * live or new < _MIN_SECONDS:
        return None
    return f"its p95 is {new / live:.2g} times the live version's: at most {rollout.max_slowdown:g} times is allowed"


def _disagreement(rollout: Rollout, measured: RolloutStatistics) -> str | None:
    disagreement = measured.disagreement
    if disagreement is None or measured.compared < _MIN_MEASURED:
        return None
    bound = disagreement if measured.different is None else wilson_lower_bound(measured.different, measured.compared)
    if bound <= rollout.max_disagreement:
        return None
    unit = "standard deviations" if measured.different is None else "of the labels"
    return f"its predictions differ by {disagreement:.2g} {unit}: at most {rollout.max_disagreement:g} is allowed"
