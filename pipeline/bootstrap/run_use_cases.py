"""Factories of the use cases of a run. Each use case has access only to data of the run's tenant."""
# ruff: noqa: PLC0415 - a cold start pays only for the stages and clients that its function uses

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from pipeline.bootstrap.adapters import artifacts_and_runs, bucket_of, clients_of_run, registry_of, table_of
from pipeline.bootstrap.settings import (
    FailureSettings,
    PlannerSettings,
    RegistrarSettings,
    SmokeTestSettings,
    StageSettings,
    ValidatorSettings,
)

if TYPE_CHECKING:
    from pipeline.cloud.clients import Clients
    from pipeline.contracts.records.plan import Plan
    from pipeline.contracts.records.run import RunStatus, StageName
    from pipeline.intake.failures import Failure
    from pipeline.use_cases.check_job import Fallback

__all__ = [
    "evaluation_job",
    "evaluator",
    "failure_recorder",
    "job_checker",
    "planner",
    "promoter",
    "registrar",
    "selector",
    "smoke_tester",
    "stage_finisher",
    "validator",
]

Environ = Mapping[str, str]
P = ParamSpec("P")
R = TypeVar("R")


def _for_each_run(
    environ: Environ,
    settings: StageSettings,
    make: Callable[[Clients, dict[str, Any]], Callable[Concatenate[str, P], R]],
) -> Callable[Concatenate[str, P], R]:
    """Return a use case that each call composes anew with the clients of the run's tenant.

    Args:
        environ: The environment.
        settings: Settings of the function.
        make: Composes the use case from the clients and from the arguments that every RunUseCase takes.
    """
    clients_of = clients_of_run(environ, settings)

    def use_case(run: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        clients = clients_of(run)
        return make(clients, artifacts_and_runs(clients, settings))(run, *args, **kwargs)

    return use_case


def validator(environ: Environ = os.environ) -> Callable[[str], None]:
    """Compose ValidateUpload."""
    from pipeline.use_cases.validate_upload import ValidateUpload

    settings = ValidatorSettings.from_env(environ)

    def make(clients: Clients, stores: dict[str, Any]) -> ValidateUpload:
        return ValidateUpload(**stores, uploads=bucket_of(clients, settings.uploads))

    return _for_each_run(environ, settings, make)


def planner(environ: Environ = os.environ) -> Callable[[str], Plan]:
    """Compose PlanRun."""
    from pipeline.use_cases.plan_run import PlanRun

    settings = PlannerSettings.from_env(environ)
    runs_code = settings.isolation != "refused"

    def make(clients: Clients, stores: dict[str, Any]) -> PlanRun:
        return PlanRun(**stores, registry=registry_of(clients, settings), runs_code=runs_code)

    return _for_each_run(environ, settings, make)


def job_checker(environ: Environ = os.environ) -> Callable[[str, str, str, Fallback | None], None]:
    """Compose CheckJob."""
    from pipeline.use_cases.check_job import CheckJob

    return _for_each_run(environ, StageSettings.from_env(environ), lambda _, stores: CheckJob(**stores))


def stage_finisher(environ: Environ = os.environ) -> Callable[[str, StageName], None]:
    """Compose FinishStage."""
    from pipeline.use_cases.finish_stage import FinishStage

    settings, bills_usage = StageSettings.from_env(environ), _bills_usage(environ)
    return _for_each_run(environ, settings, lambda _, stores: FinishStage(**stores, bills_usage=bills_usage))


def selector(environ: Environ = os.environ) -> Callable[[str], None]:
    """Compose SelectWinner."""
    from pipeline.use_cases.select_winner import SelectWinner

    return _for_each_run(environ, StageSettings.from_env(environ), lambda _, stores: SelectWinner(**stores))


def evaluator(environ: Environ = os.environ) -> Callable[[str], None]:
    """Compose EvaluateWinner for the Lambda function, whose memory limits the size of the test rows."""
    from pipeline.use_cases.evaluate_winner import MAX_FUNCTION_SPLIT_BYTES

    return _evaluator(environ, max_bytes=MAX_FUNCTION_SPLIT_BYTES, samples_rows=False)


def evaluation_job(environ: Environ = os.environ) -> Callable[[str], None]:
    """Compose EvaluateWinner for a Batch job, which has more memory than the Lambda function."""
    from pipeline.use_cases.evaluate_winner import MAX_JOB_SPLIT_BYTES

    return _evaluator(environ, max_bytes=MAX_JOB_SPLIT_BYTES, samples_rows=True)


def _evaluator(environ: Environ, *, max_bytes: int, samples_rows: bool) -> Callable[[str], None]:
    from pipeline.use_cases.evaluate_winner import EvaluateWinner

    settings, bills_usage = StageSettings.from_env(environ), _bills_usage(environ)

    def make(clients: Clients, stores: dict[str, Any]) -> EvaluateWinner:
        return EvaluateWinner(
            **stores,
            registry=registry_of(clients, settings),
            bills_usage=bills_usage,
            max_bytes=max_bytes,
            samples_rows=samples_rows,
        )

    return _for_each_run(environ, settings, make)


def _bills_usage(environ: Environ) -> bool:
    """Return whether machines cost money: any other endpoint than AWS is an embedded cloud on the user's machine."""
    return not environ.get("AWS_ENDPOINT_URL")


def registrar(environ: Environ = os.environ) -> Callable[[str], int]:
    """Compose RegisterVersion."""
    from pipeline.use_cases.register_version import RegisterVersion

    settings = RegistrarSettings.from_env(environ)

    def make(clients: Clients, stores: dict[str, Any]) -> RegisterVersion:
        return RegisterVersion(**stores, registry=registry_of(clients, settings), code_version=settings.code_version)

    return _for_each_run(environ, settings, make)


def smoke_tester(environ: Environ = os.environ) -> Callable[[str, int], None]:
    """Compose SmokeTestVersion."""
    from pipeline.cloud.lambda_function_calls import LambdaFunctionCalls
    from pipeline.use_cases.smoke_test_version import SmokeTestVersion

    settings = SmokeTestSettings.from_env(environ)

    def make(clients: Clients, stores: dict[str, Any]) -> SmokeTestVersion:
        calls = LambdaFunctionCalls(clients.functions)
        registry, function = registry_of(clients, settings), settings.predict_function
        return SmokeTestVersion(**stores, registry=registry, calls=calls, predict_function=function)

    return _for_each_run(environ, settings, make)


def promoter(environ: Environ = os.environ) -> Callable[[str, int], RunStatus]:
    """Compose PromoteVersion."""
    from pipeline.use_cases.promote_version import PromoteVersion

    settings = StageSettings.from_env(environ)

    def make(clients: Clients, stores: dict[str, Any]) -> PromoteVersion:
        return PromoteVersion(**stores, registry=registry_of(clients, settings))

    return _for_each_run(environ, settings, make)


def failure_recorder(environ: Environ = os.environ) -> Callable[[Failure], bool]:
    """Compose a function that marks a run as FAILED; the function returns False if the run had already ended."""
    from pipeline.intake.run_log import RunLog

    settings = FailureSettings.from_env(environ)
    clients_of = clients_of_run(environ, settings)
    return lambda failure: RunLog(table_of(clients_of(failure.run), settings.table)).fail(failure.run, failure.error)
