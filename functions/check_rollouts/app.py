"""Scheduled function: end the rollouts that exceed a bound or whose time is over."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import rollout_checker
from pipeline.lambda_handlers import count, event_function, logger

check_rollouts = rollout_checker()


@event_function
def handler(event: dict[str, Any]) -> dict[str, Any]:
    """End the rollouts that are due, and return their number; check all rollouts before raising the first error."""
    ended, failures = check_rollouts()
    for rollout, outcome, reason in ended:
        logger.info(
            "rollout ended",
            tenant=rollout.tenant,
            model=rollout.model,
            version=rollout.version,
            mode=rollout.mode,
            outcome=outcome,
            reason=reason,
        )
    count("RolledBack", sum(outcome == "rolled_back" for _, outcome, _ in ended))
    if failures:
        raise failures[0]
    return {"ended": len(ended)}
