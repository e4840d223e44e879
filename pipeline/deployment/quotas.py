"""Check that the account's quotas have room for the stack's jobs and functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.contracts.account import Account
from pipeline.deployment.check import PreflightCheck, failed, ok, warning

__all__ = ["check_concurrency", "check_vcpus"]

_JOB_VCPUS = 4  # vCPUs of a training job
_MIN_UNRESERVED = 100  # concurrent executions that Lambda keeps unreserved, or all of them if the limit is lower
_CONCURRENCY_CODE = "L-B99A9384"
_VCPUS, _CONCURRENCY = "vCPU quotas", "concurrency"
_USUAL_CONCURRENCY = 1_000


@dataclass(frozen=True, slots=True)
class _Quota:
    name: str
    code: str
    consequence: str
    service: str = "ec2"


_SPOT = _Quota("All Standard Spot Instance Requests", "L-34B43A08", "jobs continue on demand after waiting")
_ON_DEMAND = _Quota("Running On-Demand Standard instances", "L-1216C47A", "jobs without a Spot machine fail")
_GPU_SPOT = _Quota(
    "All G and VT Spot Instance Requests", "L-3819A6DF", "GPU jobs continue on the CPU queue after waiting"
)
_GPU_ON_DEMAND = _Quota(
    "Running On-Demand G and VT instances", "L-DB2E81BA", "GPU jobs continue on the CPU queue after waiting"
)
_FARGATE_SPOT = _Quota(
    "Fargate Spot vCPU resource count", "L-36FBB829", "small plans run on Fargate on demand", "fargate"
)
_FARGATE = _Quota(
    "Fargate On-Demand vCPU resource count",
    "L-3032A538",
    "small plans continue on the CPU queue after waiting",
    "fargate",
)


def check_vcpus(account: Account, parameters: Mapping[str, str]) -> Iterator[PreflightCheck]:
    """Check that one training job fits into each vCPU quota that the stack's queues use.

    Args:
        account: Account and region.
        parameters: Parameters of the template; Gpu and MultiNode are read.

    Yields:
        One result per quota. No result prevents the deployment; a warning says what happens to the jobs.
    """
    gpu, nodes = parameters.get("Gpu"), parameters.get("MultiNode")
    quotas = [_FARGATE_SPOT, _FARGATE, _SPOT, _ON_DEMAND]
    quotas += [_GPU_SPOT] if gpu == "spot" else []
    quotas += [_GPU_ON_DEMAND] if gpu == "on-demand" or nodes == "gpu" else []
    for quota in quotas:
        value = account.quota(quota.service, quota.code)
        text = f"{quota.name}: {value:g} vCPUs"
        if value >= _JOB_VCPUS:
            yield ok(_VCPUS, text)
            continue
        without = "deploy with Gpu=none, or " if quota in (_GPU_SPOT, _GPU_ON_DEMAND) else ""
        fix = (
            f"{without}request {2 * _JOB_VCPUS}: 'aws service-quotas request-service-quota-increase "
            f"--service-code {quota.service} --quota-code {quota.code} --desired-value {2 * _JOB_VCPUS}'"
        )
        yield warning(_VCPUS, f"{text}; a job needs {_JOB_VCPUS}, otherwise {quota.consequence}", fix=fix)


def check_concurrency(account: Account, parameters: Mapping[str, str]) -> PreflightCheck:
    """Check Lambda's concurrency limit against what the parameters reserve.

    Args:
        account: Account and region.
        parameters: Parameters of the template; PredictConcurrency and AuthorizerConcurrency are read.

    Returns:
        A failed check if Lambda would refuse the reservation; a warning if the limit is that of a new account.
    """
    limit = account.quota("lambda", _CONCURRENCY_CODE)
    reserved = sum(int(parameters.get(name) or 0) for name in ("PredictConcurrency", "AuthorizerConcurrency"))
    text = f"{limit:g} concurrent executions, {reserved} of them reserved"
    command = (
        f"'aws service-quotas request-service-quota-increase --service-code lambda "
        f"--quota-code {_CONCURRENCY_CODE} --desired-value {_USUAL_CONCURRENCY}'"
    )
    unreserved = min(_MIN_UNRESERVED, limit)
    if reserved and limit - reserved < unreserved:
        text = f"{text}: Lambda keeps {unreserved:g} unreserved, so the stack would roll back"
        return failed(_CONCURRENCY, text, fix=f"reserve fewer, or run {command}")
    if limit < _MIN_UNRESERVED:
        return warning(_CONCURRENCY, f"{text}: a burst of uploads can delay predictions", fix=command)
    return ok(_CONCURRENCY, text)
