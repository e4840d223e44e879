"""State ``smoke_test``: send the golden rows to the deployed predict function; mark the version as READY."""

from __future__ import annotations

from pipeline.bootstrap import smoke_tester
from pipeline.lambda_handlers import state_function

smoke_test = smoke_tester()


@state_function
def handler(run: str, version: int) -> None:
    """Test a version, and mark it as READY."""
    smoke_test(run, version)
