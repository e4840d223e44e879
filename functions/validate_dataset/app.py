"""State ``validate``: the uploaded file -> a Dataset, or a quarantined file and the error that says why."""

from __future__ import annotations

from pipeline.bootstrap import validator
from pipeline.lambda_handlers import state_function

validate = validator()


@state_function
def handler(run: str) -> None:
    validate(run)
