"""Use case: end the rollouts whose time is over or that exceed a bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.errors import ConflictError, ModeldropError, NotFoundError
from pipeline.contracts.promotion.rollout import Rollout
from pipeline.registry.model_registry import ModelRegistry
from pipeline.registry.rollouts.verdict import Verdict, judge

__all__ = ["CheckRollouts", "EndedRollout"]


class EndedRollout(NamedTuple):
    """How a rollout ended.

    Attributes:
        rollout: The rollout.
        outcome: ``promoted``, ``kept`` (a shadow within its bounds: a person decides) or ``rolled_back``.
        reason: Reason of the outcome.
    """

    rollout: Rollout
    outcome: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class CheckRollouts:
    """End the rollouts of all tenants that are due.

    Attributes:
        registry: Registry of the stack.
        now: Returns the current time, UTC.
    """

    registry: ModelRegistry
    now: Clock = utc_now

    def __call__(self) -> tuple[Sequence[EndedRollout], Sequence[ModeldropError]]:
        """Check each rollout once; return those that ended, and the errors of those that could not be checked."""
        ended, failures = [], []
        for rollout in self.registry.rollouts.running():
            try:
                end = self._check(rollout)
            except ModeldropError as error:
                failures.append(error)
                continue
            if end is not None:
                ended.append(end)
        return ended, failures

    def _check(self, rollout: Rollout) -> EndedRollout | None:
        rollouts = self.registry.rollouts
        verdict = judge(rollout, rollouts.statistics(rollout), self.now())
        if verdict.outcome == "running":
            return None
        if verdict.outcome == "passed" and rollout.mode == "canary":
            try:
                moved = rollouts.make_live(rollout, reason=verdict.reason)
            except (ConflictError, NotFoundError) as error:  # the version was archived or deleted meanwhile
                verdict = Verdict("breached", error.message)
                moved = rollouts.stop(rollout, reason=error.message)
        else:
            moved = rollouts.stop(rollout, reason=_reason(rollout, verdict))
        if moved is None:  # a person or another call ended it meanwhile
            return None
        if verdict.outcome == "breached":
            return EndedRollout(rollout, "rolled_back", verdict.reason)
        return EndedRollout(rollout, "promoted" if rollout.mode == "canary" else "kept", verdict.reason)


def _reason(rollout: Rollout, verdict: Verdict) -> str:
    if verdict.outcome == "breached":
        return f"version {rollout.version} is not promoted: {verdict.reason}"
    return f"version {rollout.version}: {verdict.reason}; 'modeldrop promote {rollout.model} {rollout.version}' decides"
