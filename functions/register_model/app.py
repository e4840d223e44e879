"""State ``register``: the winner -> a numbered version."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import registrar
from pipeline.lambda_handlers import state_function

register = registrar()


@state_function
def handler(run: str) -> dict[str, Any]:
    return {"version": register(run)}
