"""State ``evaluate``: measure the winner on the test rows; write the model card and the golden rows."""

from __future__ import annotations

from pipeline.bootstrap import evaluator
from pipeline.lambda_handlers import state_function

evaluate = evaluator()


@state_function
def handler(run: str) -> None:
    """Evaluate the winner of a run."""
    evaluate(run)
