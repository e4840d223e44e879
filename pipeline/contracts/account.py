"""Ports for deploying and removing a stack in an AWS account. ``pipeline.cloud`` has the adapters.

Every call may raise TransientError when a service does not answer, and ConfigurationError without credentials, without
a region, or without the permission to make the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Account", "DeployedStack", "Identity", "StackResource", "StackState", "StoredData"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Principal that the credentials belong to."""

    account: str
    arn: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StackState:
    """Stack as CloudFormation describes it.

    Attributes:
        id: ARN, which identifies the stack even after its deletion.
        status: CloudFormation's stack status, such as UPDATE_COMPLETE.
        parameters: Value by parameter.
        outputs: Value by output.
        is_protected: Whether termination protection is on.
    """

    id: str
    status: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    is_protected: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class StackResource:
    """One resource of a stack.

    Attributes:
        logical_id: Name in the template.
        physical_id: Name or ARN in the account; empty before it is created.
        kind: Resource type, such as AWS::S3::Bucket.
        status: CloudFormation's resource status.
        reason: Reason of a failure; empty without one.
    """

    logical_id: str
    physical_id: str
    kind: str
    status: str
    reason: str = ""


class Account(Protocol):
    """One AWS account in one region."""

    @property
    def region(self) -> str:
        """Region that calls go to; empty if none is configured."""
        ...

    def regions(self) -> Sequence[str]:
        """Return the regions that the SDK knows, without calling AWS."""
        ...

    def identity(self) -> Identity:
        """Return the principal of the credentials."""
        ...

    def zones(self) -> Sequence[str]:
        """Return the availability zones of the region, sorted by name."""
        ...

    def offerings(self, instance_types: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Return which zones offer which instance types.

        Args:
            instance_types: Names or patterns such as ``g4dn.*``.

        Returns:
            Zones by instance type; types that the region does not offer are missing.
        """
        ...

    def quota(self, service: str, code: str) -> float:
        """Return the applied value of a service quota, or its default.

        Args:
            service: Service code, such as ``ec2``.
            code: Quota code, such as ``L-1216C47A``.

        Raises:
            NotFoundError: The region has no such quota.
        """
        ...

    def registry_password(self) -> str:
        """Return a password of the container registry for the user ``AWS``, valid for 12 hours."""
        ...


class DeployedStack(Protocol):
    """One stack by name, deployed or not."""

    def state(self) -> StackState | None:
        """Return the stack; None if there is none of this name."""
        ...

    def deleted(self) -> StackState | None:
        """Return the newest stack of this name that was deleted within 90 days; None if there is none."""
        ...

    def all_resources(self, stack_id: str) -> Sequence[StackResource]:
        """Return the resources of a stack, deleted ones included.

        Args:
            stack_id: ARN of the stack; a name finds only a stack that exists.
        """
        ...

    def first_failure(self) -> str | None:
        """Return logical id and reason of the first resource that failed in the last operation; None if none did."""
        ...

    def delete(self) -> None:
        """Begin the deletion and return at once. Idempotent."""
        ...


class StoredData(Protocol):
    """Buckets, tables, user pools and images of a stack. Every call is idempotent: what does not exist is ignored."""

    def empty_bucket(self, name: str) -> Iterator[int]:
        """Delete all object versions and delete markers.

        Yields:
            Number of versions deleted by each request.

        Raises:
            ConflictError: S3 could not delete some of them.
        """
        ...

    def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket."""
        ...

    def delete_table(self, name: str) -> None:
        """Delete a table with its items."""
        ...

    def delete_user_pool(self, pool: str) -> None:
        """Delete a user pool with its users, groups and clients."""
        ...

    def empty_repository(self, name: str) -> int:
        """Delete all images of a container repository, and return how many there were."""
        ...

    def delete_gateway_keys(self, stack: str) -> int:
        """Delete the API Gateway keys of a stack's tenants, and return how many there were."""
        ...
