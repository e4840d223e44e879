"""An AWS account and region: identity of the caller, availability zones, instance types, quotas, image registry."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from pipeline.cloud.errors import IgnoredCodes, translate_errors
from pipeline.contracts.account import Identity
from pipeline.contracts.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.cloud.clients import Clients

__all__ = ["AwsAccount"]


class AwsAccount:
    """The account that the clients' credentials belong to, in the clients' region."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @property
    def region(self) -> str:
        """Return the clients' region; empty if none is configured."""
        return self._clients.region

    def regions(self) -> Sequence[str]:
        """Return the names of all regions that botocore knows."""
        return self._clients.regions()

    def identity(self) -> Identity:
        """Return the identity that the credentials belong to (STS GetCallerIdentity).

        Raises:
            ConfigurationError: The credentials are missing or invalid.
        """
        with translate_errors("AWS (sts)"):
            caller = self._clients.sts.get_caller_identity()
        return Identity(account=caller["Account"], arn=caller["Arn"])

    def zones(self) -> Sequence[str]:
        """Return the names of the region's availability zones, sorted; local zones are not listed."""
        with translate_errors("EC2"):
            filters = [{"Name": "zone-type", "Values": ["availability-zone"]}]
            zones = self._clients.ec2.describe_availability_zones(Filters=filters)["AvailabilityZones"]
        return sorted(zone["ZoneName"] for zone in zones)

    def offerings(self, instance_types: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Return the availability zones that offer each instance type; a type that no zone offers is absent."""
        filters = [{"Name": "instance-type", "Values": list(instance_types)}]
        offerings: dict[str, set[str]] = {}
        with translate_errors("EC2"):
            pages = self._clients.ec2.get_paginator("describe_instance_type_offerings").paginate(
                LocationType="availability-zone", Filters=filters
            )
            for page in pages:
                for offering in page["InstanceTypeOfferings"]:
                    offerings.setdefault(offering["InstanceType"], set()).add(offering["Location"])
        return {kind: frozenset(zones) for kind, zones in offerings.items()}

    def quota(self, service: str, code: str) -> float:
        """Return the account's value of a quota or, if it has none, AWS's default.

        Raises:
            NotFoundError: The service has no such quota in this region.
        """
        quotas = self._clients.service_quotas
        with translate_errors("Service Quotas"):
            for read in (quotas.get_service_quota, quotas.get_aws_default_service_quota):
                with IgnoredCodes("NoSuchResourceException"):
                    return float(read(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])
        raise NotFoundError(f"the region has no quota {code} of {service}")

    def registry_password(self) -> str:
        """Return a password for ``docker login`` to the account's ECR registry; it is valid for 12 hours."""
        with translate_errors("ECR"):
            token = self._clients.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        return base64.b64decode(token).decode().partition(":")[2]
