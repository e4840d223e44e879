"""Decide whether a version is promoted automatically."""

from __future__ import annotations

from pipeline.contracts.promotion.live_comparison import LiveComparison
from pipeline.contracts.promotion.rollout import ROLLOUT_MODES, RolloutRule
from pipeline.contracts.records.variant import Selection
from pipeline.contracts.spec.job_spec import JobSpec

__all__ = ["describe_replacement", "promotion_blocker", "rollout_rule"]


def promotion_blocker(spec: JobSpec, selection: Selection, against_live: LiveComparison | None = None) -> str | None:
    """Return why a person must decide on the promotion; None if the version may go live automatically.

    Args:
        spec: Settings from train.yaml.
        selection: The winner of the run.
        against_live: Comparison with the live version on the test rows; None if there is none.
    """
    if selection.accepted is not None:
        return None
    if selection.unmet:
        return f"the best variant violates a limit: {'; '.join(selection.unmet)}"
    if spec.require == "better" and against_live is not None and not against_live.is_not_inferior:
        return f"train.yaml requires a version that is not inferior to the live one: {against_live.sentence}"
    if spec.promote == "manual":
        return "train.yaml requires a manual promotion (promote: manual)"
    return None


def rollout_rule(spec: JobSpec) -> RolloutRule | None:
    """Return how a version is rolled out beside the live one; None if it replaces the live one at once."""
    if spec.promote not in ROLLOUT_MODES:
        return None
    return RolloutRule(mode=spec.promote, **spec.canary.model_dump())


def describe_replacement(replaced: int, by: str) -> str:
    """Return the warning that a run replaced a manually promoted version, and how to prevent that."""
    return (
        f"replaced version {replaced}, which {by} had promoted manually: 'promote: manual' in train.yaml leaves "
        "this decision to a person"
    )
