"""Requests that AWS Batch refuses and MiniStack would accept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["RefusedError", "check_job_definition", "check_job_queue"]

Document = Mapping[str, Any]

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"
_EXIT_PATTERNS = {  # API_EvaluateOnExit: an asterisk only at the end
    "onReason": r"[0-9A-Za-z.:\s]*\*?",
    "onStatusReason": r"[0-9A-Za-z.:\s]*\*?",
    "onExitCode": r"[0-9]*\*?",
}
_MAX_EXIT_RULES = 5
_MAX_ATTEMPTS = 10
_MIN_TIMEOUT = 60
_FARGATE = {  # vCPUs -> MiB that Fargate accepts: API_ResourceRequirement
    0.25: (512, 1_024, 2_048),
    0.5: range(1_024, 4_097, 1_024),
    1: range(2_048, 8_193, 1_024),
    2: range(4_096, 16_385, 1_024),
    4: range(8_192, 30_721, 1_024),
    8: range(16_384, 61_441, 4_096),
    16: range(32_768, 122_881, 8_192),
}
_LIMIT_REASONS = {  # API_JobStateTimeLimitAction
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
}
_LIMIT_SECONDS = range(600, 86_401)


class RefusedError(Exception):
    """Batch responds with a ClientException."""


def check_job_definition(document: Document) -> None:
    """Check a request of RegisterJobDefinition.

    Args:
        document: The request, as Batch's API spells it.

    Raises:
        RefusedError: Batch would refuse it; the message names the field.
    """
    _check_name(document.get("jobDefinitionName"), "jobDefinitionName")
    retry = document.get("retryStrategy") or {}
    if not 1 <= int(retry.get("attempts") or 1) <= _MAX_ATTEMPTS:
        raise RefusedError(f"retryStrategy.attempts is {retry['attempts']}: 1 to {_MAX_ATTEMPTS} are expected")
    _check_exit_rules(retry.get("evaluateOnExit") or [])
    seconds = (document.get("timeout") or {}).get("attemptDurationSeconds")
    if seconds is not None and int(seconds) < _MIN_TIMEOUT:
        raise RefusedError(f"timeout.attemptDurationSeconds is {seconds}: at least {_MIN_TIMEOUT} is expected")
    for container in _containers(document):
        for variable in container.get("environment") or []:
            if variable["name"].startswith("AWS_BATCH"):
                raise RefusedError(f"the environment variable {variable['name']} is reserved for AWS Batch")
        if "FARGATE" in (document.get("platformCapabilities") or []):
            _check_fargate(container)


def check_job_queue(document: Document) -> None:
    """Check a request of CreateJobQueue.

    Args:
        document: The request, as Batch's API spells it.

    Raises:
        RefusedError: Batch would refuse it; the message names the field.
    """
    _check_name(document.get("jobQueueName"), "jobQueueName")
    for action in document.get("jobStateTimeLimitActions") or []:
        if action["reason"] not in _LIMIT_REASONS:
            raise RefusedError(f"jobStateTimeLimitActions: the reason {action['reason']} has no action")
        if int(action["maxTimeSeconds"]) not in _LIMIT_SECONDS:
            raise RefusedError(f"jobStateTimeLimitActions: maxTimeSeconds is {action['maxTimeSeconds']}: 600 to 86400")


def _check_name(name: str | None, field: str) -> None:
    if not re.fullmatch(_NAME, name or ""):
        raise RefusedError(f"{field} is '{name}': at most 128 letters, digits, hyphens and underscores are expected")


def _check_exit_rules(rules: list[Document]) -> None:
    if len(rules) > _MAX_EXIT_RULES:
        raise RefusedError(f"retryStrategy.evaluateOnExit has {len(rules)} rules: at most {_MAX_EXIT_RULES}")
    for rule in rules:
        for field, pattern in _EXIT_PATTERNS.items():
            if not re.fullmatch(pattern, rule.get(field) or ""):
                raise RefusedError(f"Evaluate on exit condition contains restricted characters: {field} {rule[field]}")


def _check_fargate(container: Document) -> None:
    needs = {need["type"]: float(need["value"]) for need in container.get("resourceRequirements") or []}
    vcpus, memory = needs.get("VCPU", 0.0), needs.get("MEMORY", 0.0)
    if memory not in _FARGATE.get(vcpus, ()):
        raise RefusedError(f"Fargate takes no {memory:g} MiB of memory with {vcpus:g} vCPUs")
    if not container.get("executionRoleArn"):
        raise RefusedError("executionRoleArn is required for Fargate jobs")


def _containers(document: Document) -> Iterator[Document]:
    if "containerProperties" in document:
        yield document["containerProperties"]
    for group in (document.get("nodeProperties") or {}).get("nodeRangeProperties") or []:
        yield group.get("container") or {}
