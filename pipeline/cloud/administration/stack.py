"""A CloudFormation stack: its state, outputs and resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cloud.errors import IgnoredCodes, translate_errors
from pipeline.contracts.account import StackResource, StackState
from pipeline.contracts.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from mypy_boto3_cloudformation import CloudFormationClient

__all__ = ["Stack"]


class Stack:
    """One stack of ``template.yaml``."""

    def __init__(self, client: CloudFormationClient, name: str) -> None:
        self._client = client
        self._name = name

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs by key.

        Raises:
            NotFoundError: There is no such stack.
        """
        state = self.state()
        if state is None:
            raise NotFoundError(
                f"there is no stack '{self._name}': one deployed to this account and region is expected"
            )
        return dict(state.outputs)

    def state(self) -> StackState | None:
        """Return the state of the stack; None if it does not exist."""
        with self._translate_errors(), IgnoredCodes("ValidationError"):  # CloudFormation's code for a missing stack
            return _state(self._client.describe_stacks(StackName=self._name)["Stacks"][0])
        return None

    def deleted(self) -> StackState | None:
        """Return the newest stack of this name that was deleted within 90 days; None if there is none."""
        with self._translate_errors():
            pages = self._client.get_paginator("list_stacks").paginate(StackStatusFilter=["DELETE_COMPLETE"])
            stacks = [stack for page in pages for stack in page["StackSummaries"] if stack["StackName"] == self._name]
        newest = max(stacks, key=lambda stack: stack["DeletionTime"], default=None)
        return StackState(id=newest["StackId"], status=newest["StackStatus"]) if newest else None

    def all_resources(self, stack_id: str) -> Sequence[StackResource]:
        """Return the resources of the stack with this id or name, deleted ones included."""
        with self._translate_errors():
            pages = self._client.get_paginator("list_stack_resources").paginate(StackName=stack_id)
            return [
                StackResource(
                    logical_id=resource["LogicalResourceId"],
                    physical_id=resource.get("PhysicalResourceId", ""),
                    kind=resource["ResourceType"],
                    status=resource["ResourceStatus"],
                    reason=resource.get("ResourceStatusReason", ""),
                )
                for page in pages
                for resource in page["StackResourceSummaries"]
            ]

    def first_failure(self) -> str | None:
        """Return the logical id and the reason of the first resource that failed in the last operation, if any."""
        with self._translate_errors():
            events = self._client.describe_stack_events(StackName=self._name)["StackEvents"]
        failure = None
        for event in events:  # newest first
            reason = event.get("ResourceStatusReason", "")
            if event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in reason:
                failure = f"{event['LogicalResourceId']}: {reason}"
            if event["LogicalResourceId"] == self._name and reason == "User Initiated":
                break
        return failure

    def delete(self) -> None:
        """Start the deletion of the stack; ``state`` shows its progress."""
        with self._translate_errors():
            self._client.delete_stack(StackName=self._name)

    def resources(self, kind: str) -> list[str]:
        """Return the physical names of the stack's resources of a type, such as AWS::Logs::LogGroup."""
        return [resource.physical_id for resource in self.all_resources(self._name) if resource.kind == kind]

    def _translate_errors(self) -> AbstractContextManager[None]:
        return translate_errors(f"the stack {self._name}")


def _state(stack: Any) -> StackState:
    return StackState(
        id=stack["StackId"],
        status=stack["StackStatus"],
        parameters={
            parameter["ParameterKey"]: parameter.get("ParameterValue", "") for parameter in stack.get("Parameters", [])
        },
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
        is_protected=bool(stack.get("EnableTerminationProtection")),
    )
