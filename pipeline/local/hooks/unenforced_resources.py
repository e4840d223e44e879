"""Gap: CloudFormation refuses resource types that it does not know, even if they would have no effect here.

The embedded cloud enforces neither networks nor permissions: such a resource is only a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.services.cloudformation import provisioners

from pipeline.local.private_names import PrivateName, private_names

__all__ = ["PRIVATE_NAMES", "install"]

PRIVATE_NAMES = (
    PrivateName(module=provisioners, name="_RESOURCE_HANDLERS", keys=("AWS::ApiGateway::RestApi",)),
    *private_names(provisioners, "_physical_name(stack_name, logical_id, lowercase, max_len, seeded)"),
)

_TYPES = (
    "AWS::EC2::EIP",
    "AWS::EC2::NatGateway",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
)


def install() -> None:
    """Add the resource types."""
    for kind in _TYPES:
        provisioners._RESOURCE_HANDLERS.setdefault(kind, {"create": _create, "delete": _delete})


def _create(logical_id: str, properties: Mapping[str, Any], stack: str) -> tuple[str, dict[str, str]]:
    name = provisioners._physical_name(stack, logical_id, max_len=100)
    return name, {"AllocationId": name, "Id": name}


def _delete(physical_id: str, properties: Mapping[str, Any]) -> None:
    """Delete nothing: the resource is only a name."""
