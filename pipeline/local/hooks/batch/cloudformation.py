"""Gap: CloudFormation lacks AWS::Batch's compute environments, job queues and job definitions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import batch
from ministack.services.cloudformation import provisioners

from pipeline.local.batch.refusals import RefusedError, check_job_queue
from pipeline.local.naming_case import camel_case
from pipeline.local.private_names import PrivateName, private_names

__all__ = ["PRIVATE_NAMES", "install"]

PRIVATE_NAMES = (
    PrivateName(module=provisioners, name="_RESOURCE_HANDLERS", keys=("AWS::ApiGateway::RestApi",)),
    *private_names(
        batch,
        "_create_compute_environment(p)",
        "_create_job_queue(p)",
        "_register_job_definition(p)",
        "_compute_envs",
        "_job_queues",
        "_job_definitions",
    ),
    *private_names(provisioners, "_physical_name(stack_name, logical_id, lowercase, max_len, seeded)"),
)

Properties = Mapping[str, Any]
Created = tuple[str, dict[str, str]]  # physical id, and attributes for Fn::GetAtt
Create = Callable[[dict[str, Any]], tuple[int, Mapping[str, str], bytes]]


def install() -> None:
    """Add the resource types. Install ``hooks.batch.jobs`` first: it replaces the registration of job definitions."""
    provisioners._RESOURCE_HANDLERS.update(
        {
            "AWS::Batch::ComputeEnvironment": _handlers(
                batch._create_compute_environment, "computeEnvironment", batch._compute_envs
            ),
            "AWS::Batch::JobQueue": _handlers(batch._create_job_queue, "jobQueue", batch._job_queues),
            "AWS::Batch::JobDefinition": _handlers(
                batch._register_job_definition, "jobDefinition", batch._job_definitions
            ),
        }
    )


def _handlers(create: Create, kind: str, store: Any) -> dict[str, Any]:
    """Return the handlers of a resource type, whose physical id is its ARN: ``arn:...:<kind>/<name>[:<revision>]``."""

    def create_resource(logical_id: str, properties: Properties, stack: str) -> Created:
        document = camel_case(properties)
        document.setdefault(f"{kind}Name", provisioners._physical_name(stack, logical_id, max_len=100))
        if kind == "jobQueue":
            try:
                check_job_queue(document)
            except RefusedError as error:
                raise ValueError(str(error)) from error
        status, _, body = create(document)
        if status != 200:
            raise ValueError(json.loads(body)["message"])
        arn = json.loads(body)[f"{kind}Arn"]
        return arn, {f"{kind[0].upper()}{kind[1:]}Arn": arn}

    def update_resource(physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str) -> Created:
        if kind != "jobDefinition":  # a changed definition is a new revision
            store.pop(_name_of_arn(physical_id), None)
        return create_resource(
            logical_id, {f"{kind[0].upper()}{kind[1:]}Name": _name_of_arn(physical_id), **new}, stack
        )

    def delete_resource(physical_id: str, properties: Properties) -> None:
        if kind == "jobDefinition":  # other revisions stay, with their numbers
            for revision in store.get(_name_of_arn(physical_id), []):
                if revision["jobDefinitionArn"] == physical_id:
                    revision["status"] = "INACTIVE"
        else:
            store.pop(_name_of_arn(physical_id), None)

    return {
        "create": create_resource,
        "update": update_resource,
        "update_with_logical_id": True,
        "delete": delete_resource,
    }


def _name_of_arn(arn: str) -> str:
    return arn.rsplit("/", 1)[-1].split(":", maxsplit=1)[0]
