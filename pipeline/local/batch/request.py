"""What is to be run, from what was submitted and the job definition (both as Batch's API spells them)."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["Attempt", "ExitRule", "JobRequest", "build_request", "find_container"]

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One attempt that ended; times are milliseconds since the epoch. ``exit_code`` is None if nothing was started."""

    started_at: int
    stopped_at: int
    exit_code: int | None
    status_reason: str
    log_stream: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ExitRule:
    """One of evaluateOnExit: all patterns that it has must match; ``retry`` says what is done then."""

    retry: bool
    status_reason: str | None = None
    reason: str | None = None
    exit_code: str | None = None

    def matches(self, attempt: Attempt) -> bool:
        """A container that simply exits gives no reason: only ``*`` matches that."""
        pairs = ((self.status_reason, attempt.status_reason), (self.reason, ""), (self.exit_code, attempt.exit_code))
        return all(fnmatchcase(str(actual), pattern) for pattern, actual in pairs if pattern is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRequest:
    """One job. ``command`` has its parameters filled in; ``attempt_seconds`` is None for no limit.

    ``vcpus`` are those of all its ``nodes``, which share this machine.
    """

    name: str
    queue: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    parameters: Mapping[str, str]
    vcpus: int
    attempts: int
    exit_rules: tuple[ExitRule, ...]
    attempt_seconds: float | None
    log_group: str
    log_prefix: str
    nodes: int = 1

    def retries(self, attempt: Attempt) -> bool:
        """Whether Batch tries again after ``attempt`` if attempts are left; what no rule matches is retried."""
        return next((rule.retry for rule in self.exit_rules if rule.matches(attempt)), True)


def build_request(submitted: Document, definition: Document) -> JobRequest:
    """The job that Batch makes of SubmitJob's request and the definition that it names."""
    container = find_container(definition)
    nodes = _nodes(submitted, definition)
    overrides = submitted.get("containerOverrides") or {}
    retry = submitted.get("retryStrategy") or definition.get("retryStrategy") or {}
    timeout = submitted.get("timeout") or definition.get("timeout") or {}
    parameters = {**(definition.get("parameters") or {}), **(submitted.get("parameters") or {})}
    options = (container.get("logConfiguration") or {}).get("options") or {}
    seconds = timeout.get("attemptDurationSeconds")
    return JobRequest(
        name=submitted["jobName"],
        queue=submitted["jobQueue"].rsplit("/", 1)[-1],
        command=_command(overrides.get("command") or container.get("command") or [], parameters),
        environment=_variables(container) | _variables(overrides),
        parameters=parameters,
        vcpus=nodes * (_vcpus(overrides) or _vcpus(container) or 1),
        attempts=int(retry.get("attempts") or 1),
        exit_rules=tuple(_exit_rule(rule) for rule in retry.get("evaluateOnExit") or []),
        attempt_seconds=float(seconds) if seconds is not None else None,
        log_group=options.get("awslogs-group") or "/aws/batch/job",
        log_prefix=options.get("awslogs-stream-prefix") or definition["jobDefinitionName"],
        nodes=nodes,
    )


def find_container(definition: Document) -> Document:
    """That of a job; of several nodes the first range's, which is all nodes' here."""
    if "nodeProperties" not in definition:
        return definition.get("containerProperties") or {}
    container: Document = definition["nodeProperties"]["nodeRangeProperties"][0].get("container") or {}
    return container


def _nodes(submitted: Document, definition: Document) -> int:
    """What is submitted goes before what is defined."""
    several = {**(definition.get("nodeProperties") or {}), **(submitted.get("nodeOverrides") or {})}
    return int(several.get("numNodes") or 1)


def _command(command: Sequence[str], parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Ref::name becomes the parameter of that name; python is this interpreter."""
    arguments = [
        re.sub(r"Ref::(\w+)", lambda match: str(parameters.get(match[1], match[0])), argument) for argument in command
    ]
    if arguments and arguments[0] in ("python", "python3"):
        arguments[0] = sys.executable
    return tuple(arguments)


def _variables(container: Document) -> dict[str, str]:
    return {variable["name"]: str(variable["value"]) for variable in container.get("environment") or []}


def _vcpus(container: Document) -> int:
    needs = {need["type"]: need["value"] for need in container.get("resourceRequirements") or []}
    return int(float(needs.get("VCPU") or container.get("vcpus") or 0))


def _exit_rule(rule: Document) -> ExitRule:
    return ExitRule(
        retry=rule["action"].upper() == "RETRY",
        status_reason=rule.get("onStatusReason"),
        reason=rule.get("onReason"),
        exit_code=rule.get("onExitCode"),
    )
