"""State ``validate``: turn the uploaded file into a Dataset; or quarantine it, and raise an error with the reason."""

from __future__ import annotations

from pipeline.bootstrap import validator
from pipeline.lambda_handlers import state_function

validate = validator()


@state_function
def handler(run: str) -> None:
    """Validate the upload of a run."""
    validate(run)
