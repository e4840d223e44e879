"""The steps of a run, one factory a function or job: each works with what the run's tenant has, and nothing else."""
# ruff: noqa: PLC0415 - a cold start pays only for the stages and clients that its function uses

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from pipeline.bootstrap.adapters import artifacts_and_runs, bucket_of, clients_of_run, registry_of, table_of
from pipeline.bootstrap.settings import (
    FailureSettings,
    RegistrarSettings,
    SmokeTestSettings,
    StageSettings,
    ValidatorSettings,
)

if TYPE_CHECKING:
    from pipeline.bootstrap.steps import Instead
    from pipeline.cloud.clients import Clients
    from pipeline.contracts.records.plan import Plan
    from pipeline.contracts.records.run import RunStatus, StageName
    from pipeline.intake.failures import Failure

__all__ = [
    "collector",
    "evaluation_job",
    "evaluator",
    "failure_recorder",
    "planner",
    "promoter",
    "registrar",
    "selector",
    "smoke_tester",
    "validator",
]

Environ = Mapping[str, str]
P = ParamSpec("P")
R = TypeVar("R")


def _for_each_run(
    clients_of: Callable[[str], Clients], make: Callable[[Clients], Callable[Concatenate[str, P], R]]
) -> Callable[Concatenate[str, P], R]:
    """Return the step that ``make`` gives for the clients of the run it is called with."""

    def step(run: str, /, *arguments: P.args, **named: P.kwargs) -> R:
        return make(clients_of(run))(run, *arguments, **named)

    return step


def validator(environ: Environ = os.environ) -> Callable[[str], None]:
    from pipeline.bootstrap.steps import Validator

    settings = ValidatorSettings.from_env(environ)
    return _for_each_run(
        clients_of_run(environ, settings),
        lambda clients: Validator(
            **artifacts_and_runs(clients, settings), uploads=bucket_of(clients, settings.uploads)
        ),
    )


def planner(environ: Environ = os.environ) -> Callable[[str], Plan]:
    from pipeline.bootstrap.steps import Planner

    settings = StageSettings.from_env(environ)
    return _for_each_run(
        clients_of_run(environ, settings),
        lambda clients: Planner(**artifacts_and_runs(clients, settings), registry=registry_of(clients, settings)),
    )


def collector(
    environ: Environ = os.environ,
) -> Callable[[str, StageName, str | None, str, Instead | None], None]:
    from pipeline.bootstrap.steps import Collector

    settings = StageSettings.from_env(environ)
    return _for_each_run(
        clients_of_run(environ, settings), lambda clients: Collector(**artifacts_and_runs(clients, settings))
    )


def selector(environ: Environ = os.environ) -> Callable[[str], None]:
    from pipeline.bootstrap.steps import Selector

    settings = StageSettings.from_env(environ)
    return _for_each_run(
        clients_of_run(environ, settings), lambda clients: Selector(**artifacts_and_runs(clients, settings))
    )


def evaluator(environ: Environ = os.environ) -> Callable[[str], None]:
    from pipeline.bootstrap.steps import FUNCTION_SPLIT_BYTES

    return _evaluator(environ, max_bytes=FUNCTION_SPLIT_BYTES, is_last=False)


def evaluation_job(environ: Environ = os.environ) -> Callable[[str], None]:
    """The evaluator of a job, whose machine has more memory than the function."""
    from pipeline.bootstrap.steps import JOB_SPLIT_BYTES

    return _evaluator(environ, max_bytes=JOB_SPLIT_BYTES, is_last=True)


def _evaluator(environ: Environ, *, max_bytes: int, is_last: bool) -> Callable[[str], None]:
    from pipeline.bootstrap.steps import Evaluator

    settings = StageSettings.from_env(environ)
    paid = not environ.get("AWS_ENDPOINT_URL")  # another endpoint is a cloud on somebody's own machine
    return _for_each_run(
        clients_of_run(environ, settings),
        lambda clients: Evaluator(
            **artifacts_and_runs(clients, settings), paid=paid, max_bytes=max_bytes, is_last=is_last
        ),
    )


def registrar(environ: Environ = os.environ) -> Callable[[str], int]:
    from pipeline.bootstrap.steps import Registrar

    settings = RegistrarSettings.from_env(environ)
    return _for_each_run(
        clients_of_run(environ, settings),
        lambda clients: Registrar(
            **artifacts_and_runs(clients, settings),
            registry=registry_of(clients, settings),
            code_version=settings.code_version,
        ),
    )


def smoke_tester(environ: Environ = os.environ) -> Callable[[str, int], None]:
    from pipeline.bootstrap.steps import SmokeTester
    from pipeline.cloud.lambda_function_calls import LambdaFunctionCalls

    settings = SmokeTestSettings.from_env(environ)
    return _for_each_run(
        clients_of_run(environ, settings),
        lambda clients: SmokeTester(
            **artifacts_and_runs(clients, settings),
            registry=registry_of(clients, settings),
            calls=LambdaFunctionCalls(clients.functions),
            predict_function=settings.predict_function,
        ),
    )


def promoter(environ: Environ = os.environ) -> Callable[[str, int], RunStatus]:
    from pipeline.bootstrap.steps import Promoter

    settings = StageSettings.from_env(environ)
    return _for_each_run(
        clients_of_run(environ, settings),
        lambda clients: Promoter(**artifacts_and_runs(clients, settings), registry=registry_of(clients, settings)),
    )


def failure_recorder(environ: Environ = os.environ) -> Callable[[Failure], bool]:
    """Records a run's failure; false when the run had ended before."""
    from pipeline.intake.run_log import RunLog

    settings = FailureSettings.from_env(environ)
    clients_of = clients_of_run(environ, settings)

    def record(failure: Failure) -> bool:
        return RunLog(table_of(clients_of(failure.run), settings.table)).fail(failure.run, failure.error)

    return record
