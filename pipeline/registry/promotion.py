"""Decide whether a version is promoted automatically."""

from __future__ import annotations

from pipeline.contracts.records.variant import Selection
from pipeline.contracts.spec.job_spec import JobSpec

__all__ = ["describe_replacement", "promotion_blocker"]


def promotion_blocker(spec: JobSpec, selection: Selection) -> str | None:
    """Return why a person must decide on the promotion; None if the version may go live automatically."""
    if selection.accepted is not None:
        return None
    if selection.unmet:
        return f"the best variant violates a limit: {'; '.join(selection.unmet)}"
    if spec.promote == "manual":
        return "train.yaml requires a manual promotion (promote: manual)"
    return None


def describe_replacement(replaced: int, by: str) -> str:
    """Return the warning that a run replaced a manually promoted version, and how to prevent that."""
    return (
        f"replaced version {replaced}, which {by} had promoted manually: 'promote: manual' in train.yaml leaves "
        "this decision to a person"
    )
