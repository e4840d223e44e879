"""State ``promote``: the version goes live, or waits for a decision."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import promoter
from pipeline.lambda_handlers import state_function

promote = promoter()


@state_function
def handler(run: str, version: int) -> dict[str, Any]:
    return {"status": promote(run, version)}
