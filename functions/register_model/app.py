"""State ``register``: store the winner as a numbered version."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import registrar
from pipeline.lambda_handlers import state_function

register = registrar()


@state_function
def handler(run: str) -> dict[str, Any]:
    """Register the winner of a run, and return its version."""
    return {"version": register(run)}
