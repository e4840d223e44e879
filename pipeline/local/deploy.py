"""Deploy template.yaml to an embedded cloud through CloudFormation, as on AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from pipeline.cloud.administration.stack import Stack
from pipeline.cloud.clients import Clients
from pipeline.contracts.errors import ConfigurationError
from pipeline.local.package import Package
from pipeline.local.processes import CREDENTIALS, REGION

__all__ = ["CODE_BUCKET", "Deployer"]

CODE_BUCKET = "modeldrop-code"
_DEAD = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS")
_WAITING: Any = {"Delay": 0.1, "MaxAttempts": 1_200}  # delay in seconds; Any, because boto3's stubs require an int


class Deployer:
    """Deploys stacks to the cloud at ``endpoint_url``."""

    def __init__(self, endpoint_url: str) -> None:
        self._clients = Clients(endpoint_url=endpoint_url, region=REGION, credentials=CREDENTIALS)
        self._endpoint_url = endpoint_url

    def is_deployed(self, stack: str) -> bool:
        """Return whether a stack is completely deployed and no operation is in progress."""
        state = self._stack(stack).state()
        return state is not None and state.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")

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
        state = self._stack(stack).state()
        if state is not None and state.status in _DEAD:
            self._stack(stack).delete()
            self._wait(stack, "stack_delete_complete")
            state = None
        request: dict[str, Any] = {
            "StackName": stack,
            "TemplateURL": f"{self._endpoint_url}/{CODE_BUCKET}/template.json",
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in (parameters or {}).items()],
        }
        if state is None:
            self._clients.cloudformation.create_stack(**request)
            self._wait(stack, "stack_create_complete")
        elif self._update(request):
            self._wait(stack, "stack_update_complete")
        return self._stack(stack).outputs()

    def functions(self, stack: str, package: Package) -> list[str]:
        """Return the names of the stack's functions, in the order of the template."""
        names = {resource.logical_id: resource.physical_id for resource in self._stack(stack).all_resources(stack)}
        resources = package.template["Resources"].items()
        return [names[name] for name, resource in resources if resource["Type"] == "AWS::Serverless::Function"]

    def _update(self, request: dict[str, Any]) -> bool:
        try:
            self._clients.cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates" in error.response["Error"].get("Message", ""):  # CloudFormation has no error code for it
                return False
            raise
        return True

    def _upload(self, objects: Mapping[str, bytes]) -> None:
        s3 = self._clients.s3
        s3.create_bucket(Bucket=CODE_BUCKET)
        with ThreadPoolExecutor(8) as pool:
            puts = [pool.submit(s3.put_object, Bucket=CODE_BUCKET, Key=key, Body=body) for key, body in objects.items()]
        for put in puts:
            put.result()

    def _stack(self, name: str) -> Stack:
        return Stack(self._clients.cloudformation, name)

    def _wait(self, stack: str, state: Any) -> None:
        waiter = self._clients.cloudformation.get_waiter(state)
        try:
            waiter.wait(StackName=stack, WaiterConfig=_WAITING)
        except WaiterError as error:
            raise ConfigurationError(f"template.yaml could not be deployed: {self._failure(stack) or error}") from error

    def _failure(self, stack: str) -> str | None:
        """Return the first failed event; later failures are consequences of it."""
        events = self._clients.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        for event in reversed(events):
            if event.get("ResourceStatus", "").endswith("_FAILED"):
                reason = event.get("ResourceStatusReason")
                return f"{event.get('LogicalResourceId')} ({event.get('ResourceType')}): {reason}"
        return None


def _with_defaults(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the template with the values as defaults: MiniStack's SAM transform reads only the defaults."""
    declared = template.get("Parameters", {})
    changed = {name: {**declared[name], "Default": value} for name, value in parameters.items() if name in declared}
    return {**template, "Parameters": {**declared, **changed}} if changed else dict(template)
