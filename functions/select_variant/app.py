"""State ``select``: rank the variants and choose the winner."""

from __future__ import annotations

from pipeline.bootstrap import selector
from pipeline.lambda_handlers import state_function

select = selector()


@state_function
def handler(run: str) -> None:
    """Select the winner of a run."""
    select(run)
