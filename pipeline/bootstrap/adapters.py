"""The AWS clients and adapters that the factories compose use cases from."""
# ruff: noqa: PLC0415 - a cold start pays only for the stages and clients that its function uses

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.contracts.object_keys import tenant_of_run

if TYPE_CHECKING:
    from pipeline.bootstrap.settings import JobSettings
    from pipeline.cloud.clients import Clients
    from pipeline.contracts.ports import ObjectStore, Table
    from pipeline.registry.model_registry import ModelRegistry
    from pipeline.serving.model_loader import ObjectReader, ServedTable

__all__ = [
    "artifacts_and_runs",
    "bucket_of",
    "clients_of_job",
    "clients_of_run",
    "clients_of_tenant",
    "connect",
    "registry_of",
    "registry_reads",
    "table_of",
]

Environ = Mapping[str, str]


class _HasStores(Protocol):
    @property
    def table(self) -> str: ...

    @property
    def artifacts(self) -> str: ...


class _HasTenantRole(Protocol):
    @property
    def tenant_role(self) -> str | None: ...


def connect(environ: Environ) -> Clients:
    """Return clients with the process's own credentials."""
    from pipeline.cloud.clients import Clients

    return Clients(
        endpoint_url=environ.get("AWS_ENDPOINT_URL") or None,
        region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"),
    )


def clients_of_run(environ: Environ, settings: _HasTenantRole) -> Callable[[str], Clients]:
    """Return a function that returns the clients of a run's tenant; see ``clients_of_tenant``."""
    of_tenant = clients_of_tenant(environ, settings)
    return lambda run: of_tenant(tenant_of_run(run))


def clients_of_tenant(environ: Environ, settings: _HasTenantRole) -> Callable[[str], Clients]:
    """Return a function that returns the clients of a tenant.

    The clients of the last tenant are cached, because consecutive calls of a warm function are mostly for one tenant.
    Without a tenant role the function returns the process's own clients.
    """
    from functools import lru_cache

    own_clients = connect(environ)
    own_clients.read_models("s3", "dynamodb")
    if (arn := settings.tenant_role) is None:
        return lambda tenant: own_clients
    from pipeline.cloud.assumed_role import TenantRole

    own_clients.read_models("sts")

    @lru_cache(maxsize=1)
    def of_tenant(tenant: str) -> Clients:
        return own_clients.acting_as(TenantRole(arn=arn, tenant=tenant, name=f"modeldrop-{tenant}"))

    return of_tenant


def clients_of_job(run: str, environ: Environ, settings: JobSettings) -> Clients:
    """Return clients that are limited to the run's tenant or, for a job that runs a user's code, to the run."""
    own_clients = connect(environ)
    if (arn := settings.tenant_role) is None:
        return own_clients
    from pipeline.cloud.assumed_role import RunPolicy, TenantRole

    is_code = settings.queue == "code"
    only = RunPolicy(run=run, bucket=settings.artifacts, table=settings.table) if is_code else None
    return own_clients.acting_as(TenantRole(arn=arn, tenant=tenant_of_run(run), name=run, only=only))


def registry_reads(environ: Environ, settings: _HasStores) -> tuple[ServedTable, ObjectReader]:
    """Compose the table and the artifacts bucket that predictions read.

    If the environment has credentials, as in a Lambda function, both sign their requests themselves; otherwise botocore
    finds the credentials and sends the requests.
    """
    access_key, secret_key = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if not (access_key and secret_key and region):
        clients = connect(environ)
        return table_of(clients, settings.table), bucket_of(clients, settings.artifacts)
    from pipeline.cloud.signed.signature import Credentials
    from pipeline.cloud.signed.stores import SignedBucket, SignedTable

    credentials = Credentials(access_key, secret_key, environ.get("AWS_SESSION_TOKEN"))
    endpoint_url = environ.get("AWS_ENDPOINT_URL") or None
    return (
        SignedTable(settings.table, region=region, credentials=credentials, endpoint_url=endpoint_url),
        SignedBucket(settings.artifacts, region=region, credentials=credentials, endpoint_url=endpoint_url),
    )


def table_of(clients: Clients, name: str) -> Table:
    """Return the DynamoDB table ``name``."""
    from pipeline.cloud.dynamo_table import DynamoTable

    return DynamoTable(clients.dynamodb, name)


def bucket_of(clients: Clients, name: str) -> ObjectStore:
    """Return the S3 bucket ``name``."""
    from pipeline.cloud.s3_object_store import S3ObjectStore

    return S3ObjectStore(clients.s3, name)


def artifacts_and_runs(clients: Clients, settings: _HasStores) -> dict[str, Any]:
    """Return the arguments that every RunUseCase takes: ``artifacts`` and ``runs``."""
    from pipeline.intake.run_log import RunLog

    return {
        "artifacts": bucket_of(clients, settings.artifacts),
        "runs": RunLog(table_of(clients, settings.table)),
    }


def registry_of(clients: Clients, settings: _HasStores) -> ModelRegistry:
    """Return the model registry in the table and bucket of the settings."""
    from pipeline.registry.model_registry import ModelRegistry

    return ModelRegistry(table_of(clients, settings.table), bucket_of(clients, settings.artifacts))
