"""Remove a stack and everything it stores: object versions, records, images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.contracts.account import DeployedStack, StackResource, StackState, StoredData
from pipeline.contracts.errors import ConflictError, NotFoundError

__all__ = ["Removal", "destroy", "find_removal"]

_POLL_SECONDS = 5.0
_MAX_SECONDS = 3_600.0  # Batch takes some minutes to terminate jobs and machines
_BUCKET, _TABLE, _REPOSITORY = "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::ECR::Repository"
_USER_POOL = "AWS::Cognito::UserPool"

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """What a removal deletes.

    Attributes:
        name: Name of the stack.
        state: State of the stack, or of the deleted stack whose retained resources are removed.
        resources: Resources of the stack, or those that its deletion retained.
        keeps_data: Whether to keep buckets, tables and user pools.
    """

    name: str
    state: StackState
    resources: Sequence[StackResource]
    keeps_data: bool = False

    def names(self, kind: str) -> list[str]:
        """Return the physical names of existing resources of the type ``kind``."""
        existing = [
            resource for resource in self.resources if resource.physical_id and resource.status != "DELETE_COMPLETE"
        ]
        return [resource.physical_id for resource in existing if resource.kind == kind]

    @property
    def buckets(self) -> list[str]:
        """Buckets to delete."""
        return [] if self.keeps_data else self.names(_BUCKET)

    @property
    def tables(self) -> list[str]:
        """Tables to delete."""
        return [] if self.keeps_data else self.names(_TABLE)

    @property
    def user_pools(self) -> list[str]:
        """User pools to delete."""
        return [] if self.keeps_data else self.names(_USER_POOL)

    @property
    def kept(self) -> list[str]:
        """Buckets, tables and user pools to keep."""
        kinds = (_BUCKET, _TABLE, _USER_POOL)
        return [name for kind in kinds for name in self.names(kind)] if self.keeps_data else []

    @property
    def is_deleted(self) -> bool:
        """Return whether the stack itself is already deleted."""
        return self.state.status == "DELETE_COMPLETE"


def find_removal(name: str, stack: DeployedStack, *, keeps_data: bool = False) -> Removal:
    """Find the resources of a stack, or those that a deleted stack retained.

    Args:
        name: Name of the stack.
        stack: The stack.
        keeps_data: Whether to keep buckets, tables and user pools.

    Raises:
        NotFoundError: There is no such stack, and none of this name was deleted within 90 days.
        ConflictError: The stack has termination protection, or another operation on it is in progress.
    """
    state = stack.state()
    if state is None:
        state = stack.deleted()
        if state is None:
            raise NotFoundError(f"there is no stack '{name}' in this account and region")
        kept_resources = [resource for resource in stack.all_resources(state.id) if resource.status == "DELETE_SKIPPED"]
        return Removal(name=name, state=state, resources=kept_resources, keeps_data=keeps_data)
    if state.is_protected:
        raise ConflictError(
            f"the stack '{name}' has termination protection: first run 'aws cloudformation "
            f"update-termination-protection --no-enable-termination-protection --stack-name {name}'"
        )
    if state.status.endswith("_IN_PROGRESS") and state.status not in ("REVIEW_IN_PROGRESS", "DELETE_IN_PROGRESS"):
        raise ConflictError(f"the stack '{name}' is {state.status}: wait for this operation to end")
    return Removal(name=name, state=state, resources=stack.all_resources(state.id), keeps_data=keeps_data)


def destroy(
    removal: Removal,
    *,
    stack: DeployedStack,
    data: StoredData,
    report: Report,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Remove the stack, then the buckets, tables and user pools that CloudFormation retains.

    Idempotent: after an interruption it can be called again at any point.

    Args:
        removal: What to remove.
        stack: The stack.
        data: Buckets, tables, user pools and repositories of the account.
        report: Called with each line of progress.
        sleep: Waits the given number of seconds between two polls of the stack.

    Raises:
        ConflictError: CloudFormation could not delete a resource, or S3 an object.
    """
    for bucket in removal.buckets:
        _empty(bucket, data, report)
    if not removal.is_deleted:
        for repository in removal.names(_REPOSITORY):
            report(f"deleted {data.empty_repository(repository)} images of {repository}")
        if keys := data.delete_gateway_keys(removal.name):  # tenants' keys are not in the template
            report(f"deleted {keys} gateway keys of tenants")
        _delete_stack(removal, stack, report, sleep)
    for bucket in removal.buckets:
        _empty(bucket, data, report)  # jobs may have written in the meantime
        data.delete_bucket(bucket)
        report(f"deleted the bucket {bucket}")
    for table in removal.tables:
        data.delete_table(table)
        report(f"deleted the table {table}")
    for pool in removal.user_pools:
        data.delete_user_pool(pool)
        report(f"deleted the user pool {pool} with its users")


def _empty(bucket: str, data: StoredData, report: Report) -> None:
    total = 0
    for count in data.empty_bucket(bucket):
        total += count
        report(f"deleted {total:,} object versions of {bucket}")


def _delete_stack(removal: Removal, stack: DeployedStack, report: Report, sleep: Callable[[float], None]) -> None:
    report(f"deleting the stack '{removal.name}'")
    stack.delete()
    waited, reported = 0.0, -1
    sleep(_POLL_SECONDS)
    while (state := stack.state()) is not None:
        resources = stack.all_resources(state.id)
        removed = sum(resource.status in ("DELETE_COMPLETE", "DELETE_SKIPPED") for resource in resources)
        if removed != reported:
            report(f"{removed} of {len(resources)} resources deleted")
            reported = removed
        if state.status == "DELETE_FAILED":
            raise ConflictError(_describe_failure(removal.name, resources))
        if waited >= _MAX_SECONDS:
            raise ConflictError(
                f"the stack '{removal.name}' is still {state.status} after {waited / 60:.0f} minutes: its deletion "
                "continues, and 'destroy' can be repeated"
            )
        sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS


def _describe_failure(name: str, resources: Sequence[StackResource]) -> str:
    failures = [resource for resource in resources if resource.status == "DELETE_FAILED"]
    reasons = "; ".join(f"{resource.logical_id}: {resource.reason or 'no reason given'}" for resource in failures[:3])
    return f"CloudFormation could not delete the stack '{name}': {reasons or 'no failed resource is reported'}"
