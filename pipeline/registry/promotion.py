"""Whether a version may go live by itself."""

from __future__ import annotations

from pipeline.contracts.job_spec import JobSpec
from pipeline.contracts.variant import Selection

__all__ = ["why_not"]


def why_not(spec: JobSpec, selection: Selection) -> str | None:
    """Why somebody must decide on the promotion; None when nobody need."""
    if selection.unmet:
        return f"the best that was found misses a limit: {'; '.join(selection.unmet)}"
    if spec.promote == "manual":
        return "train.yaml asks for it (promote: manual)"
    return None
