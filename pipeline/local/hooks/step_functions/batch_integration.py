"""Gap: Step Functions lacks ``batch:submitJob`` with its ``.sync``, and Batch's calls by ``aws-sdk``.

A job is stopped when its execution is stopped or its state times out. Gap: the failure of a nested execution lacks the
Cause that AWS gives it.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any

from ministack.services import batch, stepfunctions

from pipeline.local.batch.job import BatchJob
from pipeline.local.batch.refusals import RefusedError
from pipeline.local.batch.runner import JobRunner
from pipeline.local.hooks.batch import jobs as batch_jobs
from pipeline.local.hooks.step_functions.execution_ends import current_execution
from pipeline.local.naming_case import camel_case, pascal_case
from pipeline.local.private_names import PrivateName, private_names

__all__ = ["PRIVATE_NAMES", "SYNC_PARAMETERS", "install"]

PRIVATE_NAMES = (
    PrivateName(module=stepfunctions, name="_SERVICE_DISPATCH", keys=("arn:aws:states:::sqs:sendMessage",)),
    *private_names(
        stepfunctions,
        "_ExecutionError(error, cause)",
        "_invoke_resource_with_timeout(resource, input_data, timeout)",
        "_nested_execution_failure(payload)",
    ),
    *private_names(batch, "_jobs", "_job_arn(job_id)"),
)

# https://docs.aws.amazon.com/step-functions/latest/dg/connect-batch.html: CreateStateMachine refuses all others.
SYNC_PARAMETERS = frozenset(
    {
        "ArrayProperties", "ContainerOverrides", "DependsOn", "JobDefinition", "JobName", "JobQueue", "Parameters",
        "PropagateTags", "RetryStrategy", "Tags", "Timeout",
    }
)  # fmt: skip

_POLL_SECONDS = 0.1
_submitted: ContextVar[list[BatchJob] | None] = ContextVar("submitted", default=None)  # jobs of the current state


def install(runner: JobRunner) -> None:
    """Add Batch's integrations."""
    invoke = stepfunctions._invoke_resource_with_timeout

    def invoke_and_stop(resource: str, document: Any, seconds: float) -> Any:
        jobs: list[BatchJob] = []
        token = _submitted.set(jobs)
        try:
            return invoke(resource, document, seconds)
        except stepfunctions._ExecutionError as error:
            if error.error == "States.Timeout":
                for job in jobs:
                    runner.stop(job.id, "the state timed out")
            raise
        finally:
            _submitted.reset(token)

    def submit(resource: str, document: Any) -> Any:
        if unknown := set(document) - SYNC_PARAMETERS:
            text = f"The field {', '.join(sorted(unknown))} is not supported by Step Functions"
            raise stepfunctions._ExecutionError("States.Runtime", text)
        job = _submit(runner, document)
        if not resource.endswith(".sync"):
            return _describe_submission(job)
        return _wait(runner, job)

    stepfunctions._invoke_resource_with_timeout = invoke_and_stop
    stepfunctions._nested_execution_failure = _describe_nested_failure
    stepfunctions._SERVICE_DISPATCH.update(
        {
            "arn:aws:states:::batch:submitJob": submit,
            "arn:aws:states:::aws-sdk:batch:submitJob": lambda _, document: _describe_submission(
                _submit(runner, document)
            ),
            "arn:aws:states:::aws-sdk:batch:describeJobs": lambda _, document: _describe(document),
            "arn:aws:states:::aws-sdk:batch:cancelJob": lambda _, document: _cancel(runner, document),
        }
    )


def _submit(runner: JobRunner, document: Any) -> BatchJob:
    try:
        job = batch_jobs.submit(runner, camel_case(document))
    except RefusedError as error:
        raise stepfunctions._ExecutionError("Batch.ClientException", str(error)) from error
    jobs = _submitted.get()
    if jobs is not None:
        jobs.append(job)
    return job


def _describe_submission(job: BatchJob) -> dict[str, str]:
    return {"JobId": job.id, "JobName": job.request.name, "JobArn": batch._job_arn(job.id)}


def _describe(document: Any) -> dict[str, Any]:
    return {"Jobs": [pascal_case(batch._jobs[job]) for job in document["Jobs"] if job in batch._jobs]}


def _cancel(runner: JobRunner, document: Any) -> dict[str, Any]:
    """Cancel a waiting job; a running one continues, and the call succeeds, as on AWS."""
    if batch._jobs.get(document["JobId"], {}).get("status") == "RUNNABLE":
        runner.stop(document["JobId"], document["Reason"])
    return {}


def _describe_nested_failure(execution: dict[str, Any]) -> tuple[str, str]:
    """Return error and cause as AWS does: the error is States.TaskFailed, and the cause has the original error."""
    cause = {
        "ExecutionArn": execution["executionArn"],
        "Status": execution["status"],
        "Error": execution.get("error", ""),
        "Cause": execution.get("cause", ""),
    }
    return "States.TaskFailed", json.dumps(cause)


def _wait(runner: JobRunner, job: BatchJob) -> Any:
    """Wait for a job and return its description; raise States.TaskFailed with the description if it failed."""
    execution = current_execution.get()
    while not job.ended.wait(_POLL_SECONDS):
        if execution is not None and execution["status"] != "RUNNING":
            runner.stop(job.id, "the execution has ended")
    described = pascal_case(batch._jobs[job.id])
    if job.status == "FAILED":
        raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(described))
    return described
