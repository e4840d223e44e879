"""Factories of the scheduled use cases, which work for all tenants."""
# ruff: noqa: PLC0415 - a cold start pays only for the stages and clients that its function uses

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.bootstrap.adapters import bucket_of, connect, registry_of, table_of
from pipeline.bootstrap.settings import LostRunSettings, RegistryTaskSettings

if TYPE_CHECKING:
    from pipeline.use_cases.scheduled.check_rollouts import CheckRollouts
    from pipeline.use_cases.scheduled.purge_versions import PurgeVersions

__all__ = ["lost_runs", "rollout_checker", "version_purger"]

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

    return CheckRollouts(registry=registry_of(connect(environ), RegistryTaskSettings.from_env(environ)))


def version_purger(environ: Environ = os.environ) -> PurgeVersions:
    """Compose PurgeVersions."""
    from pipeline.use_cases.scheduled.purge_versions import PurgeVersions

    settings = RegistryTaskSettings.from_env(environ)
    clients = connect(environ)
    return PurgeVersions(registry=registry_of(clients, settings), artifacts=bucket_of(clients, settings.artifacts))
