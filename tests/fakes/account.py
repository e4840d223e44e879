"""Fakes of an AWS account, a stack, its stored data, and of programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.contracts.account import Identity, StackResource, StackState
from pipeline.contracts.errors import ModeldropError
from pipeline.deployment.commands import Finished

__all__ = ["FakeAccount", "FakeData", "FakeStack", "RecordedCommands", "resource"]

STACK_ID = "arn:aws:cloudformation:eu-west-1:123456789012:stack/modeldrop/1"
OUTPUTS = {"ImageRepository": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/modeldrop-repository"}


@dataclass
class FakeAccount:
    """An account with enough quotas and instance types; ``identity`` raises ``error`` if it is set."""

    region: str = "eu-west-1"
    error: ModeldropError | None = None
    types: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: {
            kind: frozenset({"eu-west-1a", "eu-west-1b"}) for kind in ("g4dn.xlarge", "g4dn.2xlarge", "c6i.xlarge")
        }
    )
    quotas: dict[str, float] = field(default_factory=dict)

    def regions(self) -> Sequence[str]:
        return ["us-east-1", "eu-west-1"]

    def identity(self) -> Identity:
        if self.error:
            raise self.error
        return Identity(account="123456789012", arn="arn:aws:iam::123456789012:user/ada")

    def zones(self) -> Sequence[str]:
        return ["eu-west-1a", "eu-west-1b", "eu-west-1c"]

    def offerings(self, instance_types: Sequence[str]) -> Mapping[str, frozenset[str]]:
        families = tuple(kind.removesuffix("*") for kind in instance_types)
        return {kind: zones for kind, zones in self.types.items() if kind.startswith(families)}

    def quota(self, service: str, code: str) -> float:
        value = self.quotas.get(code, 1_000.0)
        if isinstance(value, ModeldropError):
            raise value
        return value

    def registry_password(self) -> str:
        return "a password"


def resource(kind: str, name: str, *, status: str = "CREATE_COMPLETE", reason: str = "") -> StackResource:
    return StackResource(logical_id=name.title(), physical_id=name, kind=kind, status=status, reason=reason)


@dataclass
class FakeStack:
    """A stack that is deleted at the second ``state`` after ``delete``; ``refused``: why a resource is not deleted."""

    current: StackState | None = None
    before: StackState | None = None
    resources: list[StackResource] = field(default_factory=list)
    failure: str | None = None
    refused: str | None = None
    looks: int = -1

    def state(self) -> StackState | None:
        if self.looks > 0:
            self.looks -= 1
            if self.looks == 0:
                self._end()
        return self.current

    def deleted(self) -> StackState | None:
        return self.before

    def all_resources(self, stack_id: str) -> Sequence[StackResource]:
        return list(self.resources)

    def first_failure(self) -> str | None:
        return self.failure

    def delete(self) -> None:
        assert self.current is not None
        self.current = replace(self.current, status="DELETE_IN_PROGRESS")
        self.looks = 2

    def _end(self) -> None:
        assert self.current is not None
        if self.refused:
            self.current = replace(self.current, status="DELETE_FAILED")
            self.resources = [replace(one, status="DELETE_FAILED", reason=self.refused) for one in self.resources[:1]]
        else:
            self.current = None


@dataclass
class FakeData:
    """Stored data: bucket -> number of versions, repository -> number of images, tables; ``calls`` are in order."""

    buckets: dict[str, int] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    images: dict[str, int] = field(default_factory=dict)
    gateway_keys: set[str] = field(default_factory=set)
    user_pools: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    def delete_gateway_keys(self, stack: str) -> int:
        count = len(self.gateway_keys)
        self.gateway_keys = {key for key in self.gateway_keys if not key.startswith(f"{stack}/")}
        return count - len(self.gateway_keys)

    def empty_bucket(self, name: str) -> Iterator[int]:
        self.calls.append(f"empty {name}")
        while count := min(self.buckets.get(name, 0), 1_000):
            self.buckets[name] -= count
            yield count

    def delete_bucket(self, name: str) -> None:
        assert not self.buckets.pop(name, 0), "a bucket is empty before it is deleted"
        self.calls.append(f"delete {name}")

    def delete_table(self, name: str) -> None:
        self.tables.discard(name)
        self.calls.append(f"delete {name}")

    def delete_user_pool(self, pool: str) -> None:
        self.user_pools.discard(pool)
        self.calls.append(f"delete {pool}")

    def empty_repository(self, name: str) -> int:
        self.calls.append(f"empty {name}")
        return self.images.pop(name, 0)


@dataclass
class RecordedCommands:
    """Programs that succeed, except those in ``answers``: beginning of a command line -> result."""

    answers: dict[str, Finished] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    lines: list[str] = field(default_factory=list)
    stdin: list[str] = field(default_factory=list)
    on_run: Callable[[str], None] = lambda line: None

    def find(self, program: str) -> str | None:
        return None if program in self.missing else f"/usr/bin/{program}"

    def run(
        self,
        *command: str,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
        report: Callable[[str], None] | None = None,
    ) -> Finished:
        line = " ".join(command)
        self.lines.append(line)
        if stdin is not None:
            self.stdin.append(stdin)
        self.on_run(line)
        answers = (answer for beginning, answer in self.answers.items() if line.startswith(beginning))
        return next(answers, Finished(code=0, output=f"{command[0]} is done\n"))
