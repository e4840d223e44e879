"""What deploying and removing a stack ask of an AWS account. ``pipeline.cloud.account`` has the adapters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Account", "DeployedStack", "Identity", "StackResource", "StackState", "StoredData"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who the credentials belong to."""

    account: str
    arn: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StackState:
    """A stack as CloudFormation describes it; ``id`` is its ARN, which still names it after its deletion."""

    id: str
    status: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    is_protected: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class StackResource:
    """One resource of a stack. ``kind`` is its type, such as AWS::S3::Bucket."""

    logical_id: str
    physical_id: str
    kind: str
    status: str
    reason: str = ""


class Account(Protocol):
    """One account and region. Calls raise ConfigurationError without credentials, region or permission."""

    @property
    def region(self) -> str:
        """The region that calls go to; empty where none is configured."""
        ...

    def regions(self) -> Sequence[str]:
        """Regions that are known without a call."""
        ...

    def identity(self) -> Identity: ...

    def zones(self) -> Sequence[str]:
        """Availability zones of the region, in order."""
        ...

    def offered(self, instance_types: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Zones by instance type, of those that the region offers; a pattern such as ``g4dn.*`` is allowed."""
        ...

    def quota(self, service: str, code: str) -> float:
        """The applied value of a quota, else its default; raise NotFoundError for an unknown one."""
        ...

    def registry_password(self) -> str:
        """A password of the container registry for the user AWS, valid for 12 hours."""
        ...


class DeployedStack(Protocol):
    """One stack by name, deployed or not."""

    def state(self) -> StackState | None:
        """None when there is no such stack."""
        ...

    def deleted(self) -> StackState | None:
        """The newest stack of this name that was deleted within 90 days."""
        ...

    def all_resources(self, stack_id: str) -> Sequence[StackResource]: ...

    def first_failure(self) -> str | None:
        """Logical id and reason of the first resource that failed in the last operation."""
        ...

    def delete(self) -> None:
        """Begin the deletion."""
        ...


class StoredData(Protocol):
    """What a stack stores. What does not exist is left alone."""

    def empty_bucket(self, name: str) -> Iterator[int]:
        """Delete all versions and delete markers; yields how many were deleted with each call."""
        ...

    def delete_bucket(self, name: str) -> None: ...

    def delete_table(self, name: str) -> None: ...

    def empty_repository(self, name: str) -> int:
        """Delete all images; return how many."""
        ...
