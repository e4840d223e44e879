"""The composition root: one factory per entry point, which reads the environment and composes clients and use cases."""
# ruff: noqa: PLC0415 - a cold start pays only for the stages and clients that its function uses

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from pipeline.bootstrap.adapters import (
    artifacts_and_runs,
    bucket_of,
    clients_of_job,
    connect,
    registry_of,
    registry_reads,
    table_of,
)
from pipeline.bootstrap.management import change_publisher, denied_calls, registry_manager, upload_granter
from pipeline.bootstrap.run_use_cases import (
    evaluation_job,
    evaluator,
    failure_recorder,
    job_checker,
    planner,
    promoter,
    registrar,
    selector,
    smoke_tester,
    stage_finisher,
    validator,
)
from pipeline.bootstrap.scheduled import lost_runs, rollout_checker, version_purger
from pipeline.bootstrap.settings import (
    CommandSettings,
    DescriberSettings,
    JobSettings,
    NodeSettings,
    PredictorSettings,
    StarterSettings,
)
from pipeline.bootstrap.sign_in import authorizer, callers_of_registry, token_verifier
from pipeline.contracts.compute_cluster import ComputeCluster, Process

if TYPE_CHECKING:
    from pipeline.cloud.clients import Clients
    from pipeline.cloud.cloud_watch_logs import CloudWatchLogs
    from pipeline.contracts.account import Account, DeployedStack, StoredData
    from pipeline.contracts.ports import Executions, ObjectStore, Table
    from pipeline.intake.dead_letters import DeadLetters
    from pipeline.intake.run_log import RunLog
    from pipeline.intake.start import UploadReference
    from pipeline.registry.api_keys import ApiKeys
    from pipeline.registry.audit import AuditLog
    from pipeline.registry.model_registry import ModelRegistry
    from pipeline.registry.tenants import TenantAdministration
    from pipeline.serving.api.prediction_api import PredictionApi
    from pipeline.serving.cors import CorsPolicy
    from pipeline.serving.loaded_model import InferenceSession
    from pipeline.serving.model_loader import ModelLoader
    from pipeline.use_cases.management.model_catalog import ModelCatalog

__all__ = [
    "AccountAccess",
    "Job",
    "Node",
    "OperatorServices",
    "account_access",
    "authorizer",
    "callers_of_registry",
    "change_publisher",
    "command_settings",
    "cors_policy",
    "denied_calls",
    "evaluation_job",
    "evaluator",
    "failure_recorder",
    "job",
    "job_checker",
    "lost_runs",
    "metrics_namespace",
    "model_catalog",
    "node",
    "operator",
    "planner",
    "prediction_api",
    "promoter",
    "registrar",
    "registry_manager",
    "rollout_checker",
    "selector",
    "smoke_tester",
    "stage_finisher",
    "starter",
    "token_verifier",
    "upload_granter",
    "validator",
    "version_purger",
]


Environ = Mapping[str, str]


class Job(NamedTuple):
    """The services and settings of a Batch container.

    Attributes:
        artifacts: Bucket of the artifacts.
        runs: Log of runs.
        queue: ``cpu`` or ``gpu``: kind of the machine; ``code`` if the job runs a user's code.
        attempt: Number of this attempt, from 1.
        process: This process among the processes of a distributed training.
        isolation: How the process of a user's code is isolated (jobs.sandbox.sandbox).
        environment: Environment variables, a few of which the process of a user's code gets.
    """

    artifacts: ObjectStore
    runs: RunLog
    queue: Literal["cpu", "gpu", "code"]
    attempt: int
    process: Process = Process()
    isolation: Literal["user", "none", "refused"] = "refused"
    environment: Environ = MappingProxyType({})


class Node(NamedTuple):
    """One node of a multi-node Batch job."""

    cluster: ComputeCluster
    queue: Literal["cpu", "gpu"]


class OperatorServices(NamedTuple):
    """All services of a deployed stack, for the ``modeldrop`` command. ``outputs`` are the outputs of its template."""

    uploads: ObjectStore
    artifacts: ObjectStore
    runs: RunLog
    registry: ModelRegistry
    keys: ApiKeys
    tenants: TenantAdministration
    audit: AuditLog
    executions: Executions
    logs: CloudWatchLogs
    dead_letters: Callable[[], tuple[DeadLetters, ...]]
    model_loader: Callable[[Callable[[bytes], InferenceSession]], ModelLoader]
    outputs: Mapping[str, str]


class AccountAccess(NamedTuple):
    """Services for deploying and removing a stack.

    Attributes:
        account: The AWS account.
        stack: Returns the deployed stack; requires a region.
        data: Data that the stack stores.
        environment: Environment variables of subprocesses.
    """

    account: Account
    stack: Callable[[], DeployedStack]
    data: StoredData
    environment: Environ


def starter(environ: Environ = os.environ) -> Callable[[UploadReference], str | None]:
    """Compose a function that starts the run of an uploaded object.

    Returns:
        The function, which returns the run's name, or None if the object starts no run.
    """
    from pipeline.cloud.step_functions_executions import StepFunctionsExecutions
    from pipeline.contracts.clock import utc_now
    from pipeline.intake.run_log import RunLog
    from pipeline.intake.start import start_run
    from pipeline.registry.tenants import Tenants

    settings = StarterSettings.from_env(environ)
    clients = connect(environ)
    table = table_of(clients, settings.table)
    start = partial(
        start_run,
        uploads=bucket_of(clients, settings.uploads),
        artifacts=bucket_of(clients, settings.artifacts),
        runs=RunLog(table),
        tenants=Tenants(table),
        executions=StepFunctionsExecutions(clients.stepfunctions, settings.state_machine),
        large_bytes=settings.large_bytes,
    )
    return lambda reference: start(reference, now=utc_now())


def prediction_api(environ: Environ = os.environ) -> PredictionApi:
    """Compose the prediction API, which serves the models of the registry.

    In a Lambda function it signs its own requests to S3 and DynamoDB: importing botocore would take most of a cold
    start.
    """
    from pipeline.serving.api.prediction_api import PredictionApi
    from pipeline.serving.model_cache import ModelCache
    from pipeline.serving.model_loader import ModelLoader, make_session_factory
    from pipeline.serving.rollouts.counters import RolloutCounters

    settings = PredictorSettings.from_env(environ)
    table, artifacts = registry_reads(environ, settings)
    loader = ModelLoader(table, artifacts, make_session_factory(settings.threads))
    counters = RolloutCounters(table.increment)
    models = ModelCache(loader, alias_seconds=settings.alias_seconds, counters=counters)
    for failure in models.prefetch(settings.prefetch):
        print(failure, flush=True)  # noqa: T201 - Lambda's log
    return PredictionApi(models)


def cors_policy(environ: Environ = os.environ) -> CorsPolicy:
    """Return the policy that names the origins whose pages may call the API from a browser."""
    from pipeline.serving.cors import CorsPolicy

    return CorsPolicy(tuple(filter(None, environ.get("CORS_ORIGIN", "").split(","))))


def metrics_namespace(environ: Environ = os.environ) -> str:
    """Return the CloudWatch namespace of the stack's metrics."""
    return environ.get("POWERTOOLS_METRICS_NAMESPACE") or "modeldrop"


def model_catalog(environ: Environ = os.environ) -> ModelCatalog:
    """Compose ModelCatalog, which responds to the read-only routes of the API."""
    from pipeline.intake.run_log import RunLog
    from pipeline.use_cases.management.model_catalog import ModelCatalog

    settings = DescriberSettings.from_env(environ)
    clients = connect(environ)
    return ModelCatalog(
        registry_of(clients, settings),
        bucket_of(clients, settings.artifacts),
        RunLog(table_of(clients, settings.table)),
    )


def job(run: str, environ: Environ = os.environ) -> Job:
    """Return the services and settings of a job of ``run``.

    If the stack has a tenant role, the job has access only to data of the run's tenant, and a job that runs a user's
    code only to data of the run.
    """
    settings = JobSettings.from_env(environ)
    return Job(
        **artifacts_and_runs(clients_of_job(run, environ, settings), settings),
        queue=settings.queue,
        attempt=settings.attempt,
        process=Process(rank=settings.rank, size=settings.size, local_rank=settings.local_rank),
        isolation=settings.isolation,
        environment=environ,
    )


def node(environ: Environ = os.environ) -> Node:
    """Read the settings of one node of a multi-node job."""
    settings = NodeSettings.from_env(environ)
    cluster = ComputeCluster(
        nodes=settings.nodes, node_index=settings.node_index, address=settings.address, port=settings.port
    )
    return Node(cluster=cluster, queue=settings.queue)


def command_settings(environ: Environ = os.environ) -> CommandSettings:
    """Read the settings of the ``modeldrop`` command."""
    return CommandSettings.from_env(environ)


def account_access(*, stack: str, region: str | None = None, profile: str | None = None) -> AccountAccess:
    """Compose access to an AWS account, whether or not the stack is deployed in it."""
    from pipeline.cloud.administration.account import AwsAccount
    from pipeline.cloud.administration.stack import Stack
    from pipeline.cloud.administration.stored_data import AwsStoredData
    from pipeline.cloud.clients import Clients

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
    """Compose all services of a deployed stack.

    Args:
        stack: Name of the CloudFormation stack.
        endpoint_url: Replaces AWS, for the embedded cloud.
        region: AWS region; None for the configured one.
        profile: Profile of the AWS configuration files; None for the default one.
        credentials: Access key and secret key; None to let botocore find them.

    Raises:
        NotFoundError: There is no stack of that name.
    """
    from pipeline.cloud.administration.api_gateway_keys import ApiGatewayKeys
    from pipeline.cloud.administration.stack import Stack
    from pipeline.cloud.clients import Clients
    from pipeline.cloud.cloud_watch_logs import CloudWatchLogs
    from pipeline.cloud.step_functions_executions import StepFunctionsExecutions
    from pipeline.intake.run_log import RunLog
    from pipeline.registry.api_keys import ApiKeys
    from pipeline.registry.audit import AuditedTable, AuditLog
    from pipeline.registry.model_registry import ModelRegistry
    from pipeline.registry.tenants import TIERS, TenantAdministration

    clients = Clients(endpoint_url=endpoint_url, region=region, profile=profile, credentials=credentials)
    deployed = Stack(clients.cloudformation, stack)
    outputs = deployed.outputs()
    table = AuditedTable(table_of(clients, outputs["TableName"]))
    artifacts = bucket_of(clients, outputs["ArtifactsBucket"])
    plans = {tier: outputs[name] for tier in TIERS if (name := f"{tier.capitalize()}UsagePlan") in outputs}
    return OperatorServices(
        uploads=bucket_of(clients, outputs["UploadsBucket"]),
        artifacts=artifacts,
        runs=RunLog(table),
        registry=ModelRegistry(table, artifacts),
        keys=ApiKeys(table),
        tenants=TenantAdministration(table, ApiGatewayKeys(clients.apigateway, stack=stack, plans=plans)),
        audit=AuditLog(table),
        executions=StepFunctionsExecutions(clients.stepfunctions, outputs["StateMachineArn"]),
        logs=CloudWatchLogs(clients.logs, deployed.resources("AWS::Logs::LogGroup")),
        dead_letters=lambda: _dead_letters(clients, outputs),
        model_loader=lambda make_session: _model_loader(table, artifacts, make_session),
        outputs=outputs,
    )


def _model_loader(
    table: Table, artifacts: ObjectStore, make_session: Callable[[bytes], InferenceSession]
) -> ModelLoader:
    from pipeline.serving.model_loader import ModelLoader

    return ModelLoader(table, artifacts, make_session)


def _dead_letters(clients: Clients, outputs: Mapping[str, str]) -> tuple[DeadLetters, ...]:
    """Return the dead-letter queues of the stack; a stack that an older release deployed has fewer."""
    from pipeline.cloud.lambda_function_calls import LambdaFunctionCalls
    from pipeline.cloud.sqs_messages import SqsMessages
    from pipeline.intake import dead_letters

    def queue(output: str) -> SqsMessages:
        return SqsMessages(clients.sqs, outputs[output])

    queues = []
    if "DeadLetterQueueUrl" in outputs:
        queues.append(dead_letters.uploads(queue("DeadLetterQueueUrl"), queue("QueueUrl")))
    if "EventDeadLettersUrl" in outputs:
        queues.append(dead_letters.events(queue("EventDeadLettersUrl"), queue("QueueUrl")))
    if "FailureDeadLettersUrl" in outputs:
        calls = LambdaFunctionCalls(clients.functions)
        queues.append(dead_letters.failures(queue("FailureDeadLettersUrl"), calls, outputs["RecordFailureFunction"]))
    return tuple(queues)
