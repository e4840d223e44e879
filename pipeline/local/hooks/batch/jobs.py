"""Gap: Batch is a stub: its jobs succeed at once, and cannot be stopped or canceled.

Here jobs are processes (pipeline.local.batch), one per node. Not simulated: array jobs, dependencies, Spot
interruptions, JobStateTimeLimitActions, different nodes, DescribeJobs of one node.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ministack.core import responses
from ministack.services import batch, cloudwatch_logs

from pipeline.local.batch.job import BatchJob
from pipeline.local.batch.refusals import RefusedError, check_job_definition
from pipeline.local.batch.request import Attempt, build_request, find_container
from pipeline.local.batch.runner import JobRunner
from pipeline.local.hooks.batch import events as batch_events
from pipeline.local.private_names import PrivateName, private_names

__all__ = ["PRIVATE_NAMES", "install", "put_log_line", "submit"]

PRIVATE_NAMES = (
    PrivateName(
        module=batch, name="_DISPATCH", keys=("/v1/submitjob", "/v1/registerjobdefinition", "/v1/describejobs")
    ),
    *private_names(
        batch,
        "_register_job_definition(p)",
        "_json(status, body)",
        "_job_arn(job_id)",
        "_job_definitions",
        "_job_queues",
        "_jobs",
    ),
    *private_names(
        cloudwatch_logs, "_create_log_group(data)", "_create_log_stream(data)", "_put_log_events(data)", "_log_groups"
    ),
    *private_names(responses, "error_response_json(code, message, status, extra, message_key, content_type)"),
)

Document = Mapping[str, Any]
Response = tuple[int, dict[str, str], bytes]

_JOB_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"
_FIELDS_MINISTACK_DROPS = ("parameters", "retryStrategy", "timeout", "nodeProperties")


def install(runner: JobRunner) -> None:
    """Run jobs with ``runner``, and register complete, valid job definitions."""
    register = batch._register_job_definition

    def register_job_definition(document: Document) -> Response:
        """Register a job definition with the fields that MiniStack drops; refuse what Batch refuses."""
        try:
            check_job_definition(document)
        except RefusedError as error:
            return _client_error(error)
        response: Response = register(document)
        if response[0] == 200:
            dropped_fields = {name: document[name] for name in _FIELDS_MINISTACK_DROPS if name in document}
            batch._job_definitions[document["jobDefinitionName"]][-1].update(dropped_fields)
        return response

    def submit_job(document: Document) -> Response:
        try:
            job = submit(runner, document)
        except RefusedError as error:
            return _client_error(error)
        return _json_response({"jobId": job.id, "jobName": job.request.name, "jobArn": batch._job_arn(job.id)})

    def stop_job(document: Document) -> Response:
        runner.stop(document["jobId"], document.get("reason") or "")
        return _json_response({})

    batch._register_job_definition = register_job_definition
    batch._DISPATCH.update(
        {
            "/v1/registerjobdefinition": register_job_definition,
            "/v1/submitjob": submit_job,
            "/v1/terminatejob": stop_job,
            "/v1/canceljob": stop_job,
        }
    )


def submit(runner: JobRunner, document: Document) -> BatchJob:
    """Start the job that a SubmitJob request describes.

    Raises:
        RefusedError: Batch would refuse the request.
    """
    if not re.fullmatch(_JOB_NAME, document.get("jobName") or ""):
        raise RefusedError("Job name should match valid pattern")
    queue = (document.get("jobQueue") or "").rsplit("/", 1)[-1]
    if queue not in batch._job_queues:
        raise RefusedError(f"JobQueue {queue} not found")
    definition = _find_definition(document.get("jobDefinition") or "")

    def changed(job: BatchJob) -> None:
        batch._jobs[job.id] = _describe(job, document, definition)

    job = runner.submit(build_request(document, definition), changed=changed)
    batch_events.emit_if_waiting(job, batch._job_queues[queue]["jobQueueArn"])
    return job


def put_log_line(group: str, stream: str, line: str) -> None:
    """Write a line to CloudWatch Logs; create the group and the stream if necessary."""
    groups = cloudwatch_logs._log_groups
    if group not in groups:
        cloudwatch_logs._create_log_group({"logGroupName": group})
    if stream not in groups[group]["streams"]:
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": [{"message": line}]})


def _find_definition(reference: str) -> Document:
    """Find a job definition by name, name:revision or ARN; the newest revision if none is named."""
    name, _, revision = reference.rsplit("/", 1)[-1].partition(":")
    for definition in reversed(batch._job_definitions.get(name) or []):
        if definition["status"] == "ACTIVE" and revision in ("", str(definition["revision"])):
            active: Document = definition
            return active
    raise RefusedError(f"JobDefinition {reference} not found")


def _describe(job: BatchJob, document: Document, definition: Document) -> dict[str, Any]:
    """Return the job as DescribeJobs returns it."""
    times = {"startedAt": job.started_at, "stoppedAt": job.stopped_at}
    return {
        "jobId": job.id,
        "jobArn": batch._job_arn(job.id),
        "jobName": job.request.name,
        "jobQueue": document["jobQueue"],
        "jobDefinition": definition["jobDefinitionArn"],
        "status": job.status,
        "statusReason": job.status_reason,
        "createdAt": job.created_at,
        **{name: value for name, value in times.items() if value is not None},
        "attempts": [_describe_attempt(attempt) for attempt in job.attempts],
        "parameters": dict(job.request.parameters),
        "dependsOn": [],
        "tags": document.get("tags") or {},
        **({"nodeProperties": {"mainNode": 0, "numNodes": job.request.nodes}} if job.request.nodes > 1 else {}),
        "container": {
            "image": find_container(definition).get("image", ""),
            "command": list(job.request.command),
            "vcpus": job.request.vcpus,
            "environment": [{"name": name, "value": value} for name, value in job.request.environment.items()],
            **(_describe_container(job.attempts[-1]) if job.attempts else {}),
        },
    }


def _describe_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "startedAt": attempt.started_at,
        "stoppedAt": attempt.stopped_at,
        "statusReason": attempt.status_reason,
        "container": _describe_container(attempt),
    }


def _describe_container(attempt: Attempt) -> dict[str, Any]:
    code = {} if attempt.exit_code is None else {"exitCode": attempt.exit_code}
    return {"logStreamName": attempt.log_stream, **code}


def _json_response(body: Document) -> Response:
    response: Response = batch._json(200, body)
    return response


def _client_error(error: RefusedError) -> Response:
    response: Response = responses.error_response_json("ClientException", str(error), 400)
    return response
