"""State ``promote``: make the version live, or leave the decision to a person."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import promoter
from pipeline.lambda_handlers import state_function

promote = promoter()


@state_function
def handler(run: str, version: int) -> dict[str, Any]:
    """Promote a version, and return the status of its run."""
    return {"status": promote(run, version)}
