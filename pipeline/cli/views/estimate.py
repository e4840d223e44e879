"""Render the estimate of a run, for people and for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.contracts.records.estimate import Estimate

__all__ = ["describe_estimate", "estimate_document"]


def describe_estimate(estimate: Estimate) -> str:
    """Describe minutes and dollars on AWS, and the costs that are not included: ``3 minutes and $0.0066 on AWS``."""
    unknown = f", without {', '.join(estimate.unknown)}, of unknown cost" if estimate.unknown else ""
    return f"{_minutes(estimate.minutes)} and ${_dollars(estimate.dollars)} on AWS{unknown}"


def estimate_document(estimate: Estimate | None) -> dict[str, Any] | None:
    """Return what ``--json`` prints for an estimate; None before the run is planned."""
    if estimate is None:
        return None
    return {"minutes": round(estimate.minutes, 1), "dollars": round(estimate.dollars, 4)}


def _minutes(minutes: float) -> str:
    if minutes >= 90:
        return f"{minutes / 60:.1f} hours"
    return "1 minute" if round(minutes) <= 1 else f"{round(minutes):,} minutes"


def _dollars(dollars: float) -> str:
    return f"{dollars:.2f}" if dollars >= 0.1 else f"{dollars:.4f}"
