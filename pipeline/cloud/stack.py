"""A deployed stack, in CloudFormation: where its parts are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from pipeline.cloud.errors import code_of, speaking_to
from pipeline.contracts.errors import NotFoundError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

__all__ = ["Stack"]


class Stack:
    """One stack of ``template.yaml``."""

    def __init__(self, client: CloudFormationClient, name: str) -> None:
        self._client = client
        self._name = name

    def outputs(self) -> dict[str, str]:
        """Output key -> value; raise NotFoundError when there is no such stack."""
        with speaking_to(f"the stack {self._name}"):
            try:
                stacks = self._client.describe_stacks(StackName=self._name)["Stacks"]
            except ClientError as error:
                if code_of(error) != "ValidationError":  # how CloudFormation says that there is none
                    raise
                raise NotFoundError(
                    f"there is no stack '{self._name}': one deployed to this account and region is expected"
                ) from error
        return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}

    def resources(self, kind: str) -> list[str]:
        """Physical names of its resources of a type, such as AWS::Logs::LogGroup."""
        with speaking_to(f"the stack {self._name}"):
            pages = self._client.get_paginator("list_stack_resources").paginate(StackName=self._name)
            return [
                resource["PhysicalResourceId"]
                for page in pages
                for resource in page["StackResourceSummaries"]
                if resource["ResourceType"] == kind
            ]
