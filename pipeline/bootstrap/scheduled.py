"""Factories of what runs by the clock, for all tenants."""
# ruff: noqa: PLC0415 - a cold start pays only for the stages and clients that its function uses

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.bootstrap.adapters import connect, registry_of, table_of
from pipeline.bootstrap.settings import LostRunSettings, RolloutSettings

if TYPE_CHECKING:
    from pipeline.use_cases.scheduled.check_rollouts import CheckRollouts

__all__ = ["lost_runs", "rollout_checker"]

Environ = Mapping[str, str]


def lost_runs(environ: Environ = os.environ) -> Callable[[], Sequence[str]]:
    """Compose FailLostRuns."""
    from pipeline.cloud.step_functions_executions import StepFunctionsExecutions
    from pipeline.intake.run_log import RunLog
    from pipeline.use_cases.fail_lost_runs import FailLostRuns

    settings = LostRunSettings.from_env(environ)
    clients = connect(environ)
    return FailLostRuns(
        runs=RunLog(table_of(clients, settings.table)),
        executions=StepFunctionsExecutions(clients.stepfunctions, settings.state_machine),
    )


def rollout_checker(environ: Environ = os.environ) -> CheckRollouts:
    """Compose CheckRollouts."""
    from pipeline.use_cases.scheduled.check_rollouts import CheckRollouts

    return CheckRollouts(registry=registry_of(connect(environ), RolloutSettings.from_env(environ)))
