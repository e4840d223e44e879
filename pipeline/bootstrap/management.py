"""Factories for API calls that change something, for their audit, and for publishing changes."""
# ruff: noqa: PLC0415 - a cold start pays only for the stages and clients that its function uses

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pipeline.bootstrap.adapters import bucket_of, clients_of_tenant, connect, table_of
from pipeline.bootstrap.settings import DescriberSettings, ManagerSettings, PublisherSettings, UploadSettings

if TYPE_CHECKING:
    from pipeline.registry.audit import AuditLog
    from pipeline.use_cases.management.denied_calls import DeniedCalls
    from pipeline.use_cases.management.grant_upload import GrantUpload
    from pipeline.use_cases.management.manage_registry import ManageRegistry
    from pipeline.use_cases.management.publish_change import PublishChange

__all__ = ["change_publisher", "denied_calls", "registry_manager", "upload_granter"]

Environ = Mapping[str, str]


def change_publisher(environ: Environ = os.environ) -> PublishChange:
    """Compose PublishChange, which sends a change to EventBridge and to the webhook."""
    from pipeline.cloud.event_bridge import EventBridge
    from pipeline.cloud.webhook import Webhook
    from pipeline.registry.audit import AuditLog
    from pipeline.use_cases.management.publish_change import PublishChange

    settings = PublisherSettings.from_env(environ)
    clients = connect(environ)
    return PublishChange(
        events=EventBridge(clients.events),
        webhook=Webhook(settings.webhook_url, settings.webhook_secret) if settings.webhook_url else None,
        audit=AuditLog(table_of(clients, settings.table)),
    )


def denied_calls(environ: Environ = os.environ) -> DeniedCalls:
    """Compose DeniedCalls, which records denied calls of a read-only function in the audit log."""
    from pipeline.use_cases.management.denied_calls import DeniedCalls

    settings = DescriberSettings.from_env(environ)

    def make_audit() -> AuditLog:
        from pipeline.registry.audit import AuditLog

        return AuditLog(table_of(connect(environ), settings.table))

    return DeniedCalls(make_audit)


def registry_manager(environ: Environ = os.environ) -> Callable[[str], ManageRegistry]:
    """Return a function that composes ManageRegistry for a tenant, with permissions on that tenant's data only."""
    from pipeline.cloud.step_functions_executions import StepFunctionsExecutions
    from pipeline.intake.run_log import RunLog
    from pipeline.registry.audit import AuditedTable, AuditLog
    from pipeline.registry.model_registry import ModelRegistry
    from pipeline.registry.tenants import SharedModels
    from pipeline.use_cases.management.cancel_run import CancelRun
    from pipeline.use_cases.management.manage_registry import ManageRegistry

    settings = ManagerSettings.from_env(environ)
    clients_of = clients_of_tenant(environ, settings)

    def manager_of(tenant: str) -> ManageRegistry:
        clients = clients_of(tenant)
        table = AuditedTable(table_of(clients, settings.table))
        executions = StepFunctionsExecutions(clients.stepfunctions, settings.state_machine)
        return ManageRegistry(
            registry=ModelRegistry(table, bucket_of(clients, settings.artifacts)),
            cancel=CancelRun(runs=RunLog(table), executions=executions),
            sharing=SharedModels(table),
            audit=AuditLog(table),
        )

    return manager_of


def upload_granter(environ: Environ = os.environ) -> Callable[[str], GrantUpload]:
    """Return a function that composes GrantUpload for a tenant, with permissions on that tenant's data only."""
    from pipeline.cloud.s3_upload_grants import S3UploadGrants
    from pipeline.registry.audit import AuditLog
    from pipeline.use_cases.management.grant_upload import GrantUpload

    settings = UploadSettings.from_env(environ)
    clients_of = clients_of_tenant(environ, settings)

    def granter_of(tenant: str) -> GrantUpload:
        clients = clients_of(tenant)
        return GrantUpload(
            grants=S3UploadGrants(clients.s3_signer, settings.uploads),
            audit=AuditLog(table_of(clients, settings.table)),
        )

    return granter_of
