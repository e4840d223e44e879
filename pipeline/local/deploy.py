"""Deploy template.yaml to an embedded cloud through CloudFormation, as on AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError
from botocore.session import Session

from pipeline.contracts.errors import ConfigurationError
from pipeline.local.package import Package
from pipeline.local.processes import CREDENTIALS, REGION

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client

__all__ = ["CODE_BUCKET", "Deployer"]

CODE_BUCKET = "modeldrop-code"
_DEAD = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS")
_POLL_SECONDS = 0.1
_MAX_POLLS = 1200


class Deployer:
    """Deploys stacks to the cloud at ``endpoint_url``."""

    def __init__(self, endpoint_url: str) -> None:
        self._session = Session()
        self._session.set_credentials(*CREDENTIALS)
        self._endpoint_url = endpoint_url

    def is_deployed(self, stack: str) -> bool:
        """Return whether a stack is completely deployed and no operation is in progress."""
        return self._status(stack) in ("CREATE_COMPLETE", "UPDATE_COMPLETE")

    def deploy(self, stack: str, package: Package, parameters: Mapping[str, str] | None = None) -> dict[str, str]:
        """Create or update a stack.

        Args:
            stack: Name of the stack.
            package: Template and the objects that it refers to.
            parameters: Parameters to set.

        Returns:
            Outputs of the stack.

        Raises:
            ConfigurationError: CloudFormation failed; the message has the first failure's reason.
        """
        template = _with_defaults(package.template, parameters or {})
        self._upload({**package.objects, "template.json": json.dumps(template, default=str).encode()})
        status = self._status(stack)
        if status in _DEAD:
            self._cloudformation.delete_stack(StackName=stack)
            self._wait(stack, "stack_delete_complete")
            status = None
        request: dict[str, Any] = {
            "StackName": stack,
            "TemplateURL": f"{self._endpoint_url}/{CODE_BUCKET}/template.json",
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in (parameters or {}).items()],
        }
        if status is None:
            self._cloudformation.create_stack(**request)
            self._wait(stack, "stack_create_complete")
        elif self._update(request):
            self._wait(stack, "stack_update_complete")
        return self._outputs(stack)

    def functions(self, stack: str, package: Package) -> list[str]:
        """Return the names of the stack's functions, in the order of the template."""
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        names = {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for p in pages
            for resource in p["StackResourceSummaries"]
        }
        resources = package.template["Resources"].items()
        return [names[name] for name, resource in resources if resource["Type"] == "AWS::Serverless::Function"]

    def _update(self, request: dict[str, Any]) -> bool:
        try:
            self._cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates" in error.response["Error"].get("Message", ""):  # CloudFormation has no error code for it
                return False
            raise
        return True

    def _upload(self, objects: Mapping[str, bytes]) -> None:
        self._s3.create_bucket(Bucket=CODE_BUCKET)
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(
                    lambda item: self._s3.put_object(Bucket=CODE_BUCKET, Key=item[0], Body=item[1]), objects.items()
                )
            )

    def _status(self, stack: str) -> str | None:
        try:
            return self._cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        except ClientError as error:
            if (
                error.response["Error"].get("Code") != "ValidationError"
            ):  # CloudFormation's code for a stack that does not exist
                raise
            return None

    def _wait(self, stack: str, state: Any) -> None:
        waiter = self._cloudformation.get_waiter(state)
        try:
            waiter.wait(StackName=stack, WaiterConfig=cast("Any", {"Delay": _POLL_SECONDS, "MaxAttempts": _MAX_POLLS}))
        except WaiterError as error:
            raise ConfigurationError(f"template.yaml could not be deployed: {self._failure(stack) or error}") from error

    def _failure(self, stack: str) -> str | None:
        """Return the first failed event; later failures are consequences of it."""
        events = self._cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        failed = [event for event in reversed(events) if event.get("ResourceStatus", "").endswith("_FAILED")]
        if not failed:
            return None
        first = failed[0]
        return f"{first.get('LogicalResourceId')} ({first.get('ResourceType')}): {first.get('ResourceStatusReason')}"

    def _outputs(self, stack: str) -> dict[str, str]:
        description = self._cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}

    @cached_property
    def _cloudformation(self) -> CloudFormationClient:
        return cast("CloudFormationClient", self._client("cloudformation"))

    @cached_property
    def _s3(self) -> S3Client:
        return cast("S3Client", self._client("s3", s3={"addressing_style": "path"}))

    def _client(self, service: str, **options: Any) -> Any:
        config = Config(retries={"mode": "standard", "total_max_attempts": 3}, max_pool_connections=16, **options)
        return self._session.create_client(service, region_name=REGION, endpoint_url=self._endpoint_url, config=config)


def _with_defaults(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the template with the values as defaults: MiniStack's SAM transform knows no others."""
    declared = template.get("Parameters", {})
    changed = {name: {**declared[name], "Default": value} for name, value in parameters.items() if name in declared}
    return {**template, "Parameters": {**declared, **changed}} if changed else dict(template)
