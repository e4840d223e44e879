"""State ``promote``: promote the version, or end the run as NEEDS_DECISION for a person."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import promoter
from pipeline.lambda_handlers import state_function

promote = promoter()


@state_function
def handler(run: str, version: int) -> dict[str, Any]:
    """Promote a version, and return the status of its run."""
    return {"status": promote(run, version)}
