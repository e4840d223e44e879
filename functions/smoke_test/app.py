"""State ``smoke_test``: the golden rows through the real predict function -> the version is READY."""

from __future__ import annotations

from pipeline.bootstrap import smoke_tester
from pipeline.lambda_handlers import state_function

smoke_test = smoke_tester()


@state_function
def handler(run: str, version: int) -> None:
    smoke_test(run, version)
