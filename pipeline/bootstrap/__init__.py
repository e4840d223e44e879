"""The composition root: reads the environment, builds the clients, hands out composed objects, one factory a main."""
# ruff: noqa: PLC0415 - a cold start pays only for the stages and clients that its function uses

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pipeline.bootstrap.settings import (
    AuthorizerSettings,
    CommandSettings,
    FailureSettings,
    JobSettings,
    LostRunSettings,
    NodeSettings,
    PredictorSettings,
    RegistrarSettings,
    SmokeTestSettings,
    StageSettings,
    StarterSettings,
    ValidatorSettings,
)
from pipeline.contracts.compute_cluster import ComputeCluster, Process

if TYPE_CHECKING:
    from pipeline.bootstrap.steps import (
        Collector,
        Evaluator,
        Planner,
        Promoter,
        Registrar,
        Selector,
        SmokeTester,
        Validator,
    )
    from pipeline.cloud.assumed_role import RunRole
    from pipeline.cloud.clients import Clients
    from pipeline.cloud.cloud_watch_logs import CloudWatchLogs
    from pipeline.contracts.account import Account, DeployedStack, StoredData
    from pipeline.contracts.ports import Executions, ObjectStore, Table
    from pipeline.intake.dead_letters import DeadLetters
    from pipeline.intake.failures import Failure
    from pipeline.intake.run_log import RunLog
    from pipeline.intake.start import UploadReference
    from pipeline.registry.api_keys import ApiKeys
    from pipeline.registry.model_registry import ModelRegistry
    from pipeline.serving.authorizer import Authorizer
    from pipeline.serving.model_catalog import ModelCatalog
    from pipeline.serving.predictor import Predictor

__all__ = [
    "AccountAccess",
    "Job",
    "Node",
    "OperatorServices",
    "Starter",
    "account_access",
    "authorizer",
    "collector",
    "command_settings",
    "evaluation_job",
    "evaluator",
    "failure_recorder",
    "job",
    "lost_runs",
    "model_catalogue",
    "node",
    "operator",
    "planner",
    "predictor",
    "promoter",
    "registrar",
    "selector",
    "smoke_tester",
    "starter",
    "validator",
]

Environ = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Starter:
    """Starts runs; ``idempotency_table`` is where its function remembers what it has started."""

    start: Callable[[UploadReference], str | None]
    idempotency_table: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a Batch container works with. ``attempt`` counts from 1. ``process``: which it is of those of the job.

    ``isolation`` and ``environment`` are for the process of a user's code (jobs.sandbox.sandbox).
    """

    artifacts: ObjectStore
    runs: RunLog
    queue: Literal["cpu", "gpu", "code"]
    attempt: int
    process: Process = field(default_factory=Process)
    isolation: Literal["user", "none", "refused"] = "refused"
    environment: Environ = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Node:
    """One container of a job of several nodes."""

    cluster: ComputeCluster
    queue: Literal["cpu", "gpu"]


@dataclass(frozen=True, kw_only=True)
class OperatorServices:
    """A whole stack, for the person at the command line. ``outputs`` are the template's."""

    uploads: ObjectStore
    artifacts: ObjectStore
    runs: RunLog
    registry: ModelRegistry
    keys: ApiKeys
    executions: Executions
    logs: CloudWatchLogs
    dead_letters: Callable[[], tuple[DeadLetters, ...]]
    outputs: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class AccountAccess:
    """What deploying and removing a stack work with; ``stack`` needs a region, ``environment`` is for subprocesses."""

    account: Account
    stack: Callable[[], DeployedStack]
    data: StoredData
    environment: Environ


def starter(environ: Environ = os.environ) -> Starter:
    from datetime import UTC, datetime

    from pipeline.cloud.step_functions_executions import StepFunctionsExecutions
    from pipeline.intake.run_log import RunLog
    from pipeline.intake.start import start_run

    settings = StarterSettings.from_env(environ)
    clients = _clients(environ)
    uploads, artifacts = _bucket(clients, settings.uploads), _bucket(clients, settings.artifacts)
    runs = RunLog(_table(clients, settings.table))
    executions = StepFunctionsExecutions(clients.stepfunctions, settings.state_machine)

    def start(reference: UploadReference) -> str | None:
        return start_run(
            reference,
            uploads=uploads,
            artifacts=artifacts,
            runs=runs,
            executions=executions,
            now=datetime.now(UTC),
            large_bytes=settings.large_bytes,
        )

    return Starter(start=start, idempotency_table=settings.idempotency_table)


def validator(environ: Environ = os.environ) -> Validator:
    from pipeline.bootstrap.steps import Validator

    settings = ValidatorSettings.from_env(environ)
    clients = _clients(environ)
    return Validator(**_step(clients, settings), uploads=_bucket(clients, settings.uploads))


def planner(environ: Environ = os.environ) -> Planner:
    from pipeline.bootstrap.steps import Planner

    settings = StageSettings.from_env(environ)
    clients = _clients(environ)
    return Planner(**_step(clients, settings), registry=_registry(clients, settings))


def collector(environ: Environ = os.environ) -> Collector:
    from pipeline.bootstrap.steps import Collector

    return Collector(**_step(_clients(environ), StageSettings.from_env(environ)))


def selector(environ: Environ = os.environ) -> Selector:
    from pipeline.bootstrap.steps import Selector

    return Selector(**_step(_clients(environ), StageSettings.from_env(environ)))


def evaluator(environ: Environ = os.environ) -> Evaluator:
    from pipeline.bootstrap.steps import Evaluator

    paid = not environ.get("AWS_ENDPOINT_URL")  # another endpoint is a cloud on somebody's own machine
    return Evaluator(**_step(_clients(environ), StageSettings.from_env(environ)), paid=paid)


def evaluation_job(environ: Environ = os.environ) -> Evaluator:
    """The evaluator of a job, whose machine has more memory than the function."""
    from dataclasses import replace

    from pipeline.bootstrap.steps import JOB_SPLIT_BYTES

    return replace(evaluator(environ), max_bytes=JOB_SPLIT_BYTES, is_last=True)


def registrar(environ: Environ = os.environ) -> Registrar:
    from pipeline.bootstrap.steps import Registrar

    settings = RegistrarSettings.from_env(environ)
    clients = _clients(environ)
    return Registrar(
        **_step(clients, settings), registry=_registry(clients, settings), code_version=settings.code_version
    )


def smoke_tester(environ: Environ = os.environ) -> SmokeTester:
    from pipeline.bootstrap.steps import SmokeTester
    from pipeline.cloud.lambda_function_calls import LambdaFunctionCalls

    settings = SmokeTestSettings.from_env(environ)
    clients = _clients(environ)
    return SmokeTester(
        **_step(clients, settings),
        registry=_registry(clients, settings),
        calls=LambdaFunctionCalls(clients.functions),
        predict_function=settings.predict_function,
    )


def promoter(environ: Environ = os.environ) -> Promoter:
    from pipeline.bootstrap.steps import Promoter

    settings = StageSettings.from_env(environ)
    clients = _clients(environ)
    return Promoter(**_step(clients, settings), registry=_registry(clients, settings))


def failure_recorder(environ: Environ = os.environ) -> Callable[[Failure], bool]:
    """Says a run's failure; false when the run had ended before."""
    from pipeline.intake.run_log import RunLog

    runs = RunLog(_table(_clients(environ), FailureSettings.from_env(environ).table))
    return lambda failure: runs.fail(failure.run, failure.error)


def lost_runs(environ: Environ = os.environ) -> Callable[[], Sequence[str]]:
    """Ends the runs that no execution owns; their names."""
    from datetime import UTC, datetime

    from pipeline.cloud.step_functions_executions import StepFunctionsExecutions
    from pipeline.intake.lost_runs import fail_lost_runs
    from pipeline.intake.run_log import RunLog

    settings = LostRunSettings.from_env(environ)
    clients = _clients(environ)
    runs = RunLog(_table(clients, settings.table))
    executions = StepFunctionsExecutions(clients.stepfunctions, settings.state_machine)
    return lambda: fail_lost_runs(runs, executions, now=datetime.now(UTC))


def predictor(environ: Environ = os.environ) -> Predictor:
    from pipeline.serving.model_loader import ModelLoader, onnx_session
    from pipeline.serving.model_store import ModelCache
    from pipeline.serving.predictor import Predictor

    settings = PredictorSettings.from_env(environ)
    clients = _clients(environ)
    loader = ModelLoader(
        _table(clients, settings.table), _bucket(clients, settings.artifacts), onnx_session(settings.threads)
    )
    return Predictor(ModelCache(loader, alias_seconds=settings.alias_seconds))


def model_catalogue(environ: Environ = os.environ) -> ModelCatalog:
    from pipeline.intake.run_log import RunLog
    from pipeline.serving.model_catalog import ModelCatalog

    settings = StageSettings.from_env(environ)
    clients = _clients(environ)
    return ModelCatalog(
        _registry(clients, settings),
        _bucket(clients, settings.artifacts),
        RunLog(_table(clients, settings.table)),
    )


def authorizer(environ: Environ = os.environ) -> Authorizer:
    from pipeline.registry.api_keys import ApiKeys
    from pipeline.serving.authorizer import Authorizer

    settings = AuthorizerSettings.from_env(environ)
    return Authorizer(ApiKeys(_table(_clients(environ), settings.table)), settings.gateway_key)


def job(run: str, environ: Environ = os.environ) -> Job:
    """The job of ``run``; one that has a run's role works with that, narrowed to ``run``."""
    settings = JobSettings.from_env(environ)
    return Job(
        **_step(_clients(environ, _run_role(settings, run)), settings),
        queue=settings.queue,
        attempt=settings.attempt,
        process=Process(rank=settings.rank, size=settings.size, local_rank=settings.local_rank),
        isolation=settings.isolation,
        environment=environ,
    )


def node(environ: Environ = os.environ) -> Node:
    settings = NodeSettings.from_env(environ)
    cluster = ComputeCluster(
        nodes=settings.nodes, node_index=settings.node_index, address=settings.address, port=settings.port
    )
    return Node(cluster=cluster, queue=settings.queue)


def _run_role(settings: JobSettings, run: str) -> RunRole | None:
    if settings.run_role is None:
        return None
    from pipeline.cloud.assumed_role import RunRole

    return RunRole(role=settings.run_role, run=run, bucket=settings.artifacts, table=settings.table)


def command_settings(environ: Environ = os.environ) -> CommandSettings:
    return CommandSettings.from_env(environ)


def account_access(*, stack: str, region: str | None = None, profile: str | None = None) -> AccountAccess:
    """An account in which the stack may or may not be deployed."""
    from pipeline.cloud.account import AwsAccount
    from pipeline.cloud.clients import Clients
    from pipeline.cloud.stack import Stack
    from pipeline.cloud.stored_data import AwsStoredData

    clients = Clients(region=region, profile=profile)
    return AccountAccess(
        account=AwsAccount(clients),
        stack=lambda: Stack(clients.cloudformation, stack),
        data=AwsStoredData(clients),
        environment=os.environ,
    )


def operator(
    *,
    stack: str = "modeldrop",
    endpoint_url: str | None = None,
    region: str | None = None,
    profile: str | None = None,
    credentials: tuple[str, str] | None = None,
) -> OperatorServices:
    """Everything of a deployed stack; raise NotFoundError when there is none of that name."""
    from pipeline.cloud.clients import Clients
    from pipeline.cloud.cloud_watch_logs import CloudWatchLogs
    from pipeline.cloud.stack import Stack
    from pipeline.cloud.step_functions_executions import StepFunctionsExecutions
    from pipeline.intake.run_log import RunLog
    from pipeline.registry.api_keys import ApiKeys
    from pipeline.registry.model_registry import ModelRegistry

    clients = Clients(endpoint_url=endpoint_url, region=region, profile=profile, credentials=credentials)
    deployed = Stack(clients.cloudformation, stack)
    outputs = deployed.outputs()
    table = _table(clients, outputs["TableName"])
    artifacts = _bucket(clients, outputs["ArtifactsBucket"])
    return OperatorServices(
        uploads=_bucket(clients, outputs["UploadsBucket"]),
        artifacts=artifacts,
        runs=RunLog(table),
        registry=ModelRegistry(table, artifacts),
        keys=ApiKeys(table),
        executions=StepFunctionsExecutions(clients.stepfunctions, outputs["StateMachineArn"]),
        logs=CloudWatchLogs(clients.logs, deployed.resources("AWS::Logs::LogGroup")),
        dead_letters=lambda: _dead_letters(clients, outputs),
        outputs=outputs,
    )


def _dead_letters(clients: Clients, outputs: Mapping[str, str]) -> tuple[DeadLetters, ...]:
    """Those that the stack has: an older one has fewer."""
    from pipeline.cloud.lambda_function_calls import LambdaFunctionCalls
    from pipeline.cloud.sqs_messages import SqsMessages
    from pipeline.intake import dead_letters

    def queue(output: str) -> SqsMessages:
        return SqsMessages(clients.sqs, outputs[output])

    found = []
    if "DeadLetterQueueUrl" in outputs:
        found.append(dead_letters.uploads(queue("DeadLetterQueueUrl"), queue("QueueUrl")))
    if "EventDeadLettersUrl" in outputs:
        found.append(dead_letters.events(queue("EventDeadLettersUrl"), queue("QueueUrl")))
    if "FailureDeadLettersUrl" in outputs:
        calls = LambdaFunctionCalls(clients.functions)
        found.append(dead_letters.failures(queue("FailureDeadLettersUrl"), calls, outputs["RecordFailureFunction"]))
    return tuple(found)


def _clients(environ: Environ, role: RunRole | None = None) -> Clients:
    from pipeline.cloud.clients import Clients

    return Clients(
        role=role,
        endpoint_url=environ.get("AWS_ENDPOINT_URL") or None,
        region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"),
    )


def _table(clients: Clients, name: str) -> Table:
    from pipeline.cloud.dynamo_table import DynamoTable

    return DynamoTable(clients.dynamodb, name)


def _bucket(clients: Clients, name: str) -> ObjectStore:
    from pipeline.cloud.s3_object_store import S3ObjectStore

    return S3ObjectStore(clients.s3, name)


def _step(clients: Clients, settings: Any) -> dict[str, Any]:
    """What every step has: the artefacts and the run's log."""
    from pipeline.intake.run_log import RunLog

    return {
        "artifacts": _bucket(clients, settings.artifacts),
        "runs": RunLog(_table(clients, settings.table)),
    }


def _registry(clients: Clients, settings: Any) -> ModelRegistry:
    from pipeline.registry.model_registry import ModelRegistry

    return ModelRegistry(_table(clients, settings.table), _bucket(clients, settings.artifacts))
