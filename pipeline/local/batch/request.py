"""Combine a SubmitJob request with its job definition. Both are spelled as in Batch's API."""

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
    """One finished attempt.

    Attributes:
        started_at: Milliseconds since the epoch.
        stopped_at: Milliseconds since the epoch.
        exit_code: Exit code; None if nothing was started.
        status_reason: Reason as Batch words it.
        log_stream: Name of the attempt's log stream.
    """

    started_at: int
    stopped_at: int
    exit_code: int | None
    status_reason: str
    log_stream: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ExitRule:
    """One rule of evaluateOnExit; all of its patterns must match.

    Attributes:
        retry: Whether a matching attempt is retried.
        status_reason: Pattern of onStatusReason.
        reason: Pattern of onReason.
        exit_code: Pattern of onExitCode.
    """

    retry: bool
    status_reason: str | None = None
    reason: str | None = None
    exit_code: str | None = None

    def matches(self, attempt: Attempt) -> bool:
        """Return whether the rule applies to an attempt.

        The reason of a container that exits by itself is empty, so that only the pattern ``*`` matches it.
        """
        pairs = ((self.status_reason, attempt.status_reason), (self.reason, ""), (self.exit_code, attempt.exit_code))
        return all(fnmatchcase(str(actual), pattern) for pattern, actual in pairs if pattern is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRequest:
    """One job to run.

    Attributes:
        name: Name of the job.
        queue: Name of its queue.
        command: Program and arguments with parameters filled in.
        environment: Environment variables of the job.
        parameters: Parameters of the job.
        vcpus: CPUs of all nodes together, which share this machine.
        attempts: Maximum number of attempts.
        exit_rules: Rules that decide on retries.
        attempt_seconds: Time limit of an attempt, in seconds; None for no limit.
        log_group: Name of the log group.
        log_prefix: Prefix of the log streams' names.
        nodes: Number of nodes.
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
        """Return whether Batch retries after ``attempt``; an attempt that no rule matches is retried."""
        return next((rule.retry for rule in self.exit_rules if rule.matches(attempt)), True)


def build_request(submitted: Document, definition: Document) -> JobRequest:
    """Combine a SubmitJob request with its job definition, as Batch does."""
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
    """Return the container of a job definition. Several nodes all use the container of the first node range."""
    if "nodeProperties" not in definition:
        return definition.get("containerProperties") or {}
    container: Document = definition["nodeProperties"]["nodeRangeProperties"][0].get("container") or {}
    return container


def _nodes(submitted: Document, definition: Document) -> int:
    """Return the number of nodes; the request overrides the definition."""
    several = {**(definition.get("nodeProperties") or {}), **(submitted.get("nodeOverrides") or {})}
    return int(several.get("numNodes") or 1)


def _command(command: Sequence[str], parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Replace Ref::name by the parameter of that name, and python by this interpreter."""
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
