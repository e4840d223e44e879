"""Assume a role for one tenant, or for one run of a tenant; the tenant is a tag of the session.

The role's policy names ``${aws:PrincipalTag/tenant}`` in every resource and condition, so a session has access only to
objects and records of its tenant, and without the tag to nothing.

References:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining (at most one hour)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.session import Session

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.table_keys import run_key

__all__ = ["RunPolicy", "TenantRole"]

_SESSION_SECONDS = 3600  # maximum of role chaining


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPolicy:
    """Session policy that narrows a tenant's role to the objects and the record of one run.

    Attributes:
        run: The run.
        bucket: Bucket of the artifacts.
        table: Name of the table.
    """

    run: str
    bucket: str
    table: str

    def document(self, role: str) -> dict[str, Any]:
        """Return the policy: the run's objects and its record, in the partition and account of ``role`` (an ARN)."""
        _, partition, _, _, account, _ = role.split(":", 5)
        keys = RunKeys(self.run)
        store, objects = f"arn:{partition}:s3:::{self.bucket}", f"{keys.root}/*"
        items = {"dynamodb:LeadingKeys": [run_key(keys.tenant, self.run)[0]]}
        return {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"{store}/{objects}"},
                {
                    "Effect": "Allow",
                    "Action": "s3:ListBucket",
                    "Resource": store,
                    "Condition": {"StringLike": {"s3:prefix": objects}},
                },
                {
                    "Effect": "Allow",
                    "Action": ["dynamodb:GetItem", "dynamodb:UpdateItem"],
                    "Resource": f"arn:{partition}:dynamodb:*:{account}:table/{self.table}",
                    "Condition": {"ForAllValues:StringEquals": items},
                },
            ],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class TenantRole:
    """Role whose sessions have permissions only on the data of the tenant in their tag.

    Attributes:
        arn: ARN of the role.
        tenant: The tenant.
        name: Name of the session, which CloudTrail shows.
        only: Policy that limits the session further; None for all permissions of the tenant.
    """

    arn: str
    tenant: str
    name: str
    only: RunPolicy | None = None

    def session(
        self,
        base: Session,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        now: Clock = utc_now,
    ) -> Session:
        """Return a session that assumes the role at its first call, and again before the credentials expire.

        Args:
            base: Session whose credentials assume the role, and whose service models are shared.
            endpoint_url: URL of another cloud; None for AWS.
            region: Region of STS.
            now: Clock that decides when the credentials expire.
        """
        create_client = base.create_client

        def client(service: str, **options: Any) -> Any:
            return create_client(service, **{**options, "region_name": region, "endpoint_url": endpoint_url})

        fetcher = AssumeRoleCredentialFetcher(
            client,
            base.get_credentials(),
            self.arn,
            extra_args=self._arguments(),
            expiry_window_seconds=_SESSION_SECONDS,  # so that the fetcher never returns cached credentials
        )
        narrowed = Session()
        narrowed.register_component("data_loader", base.get_component("data_loader"))
        narrowed.register_component("credential_provider", CredentialResolver([_Provider(fetcher, now)]))
        return narrowed

    def _arguments(self) -> dict[str, Any]:
        policy = {"Policy": json.dumps(self.only.document(self.arn))} if self.only else {}
        return {
            "RoleSessionName": self.name[:64],
            "DurationSeconds": _SESSION_SECONDS,
            "Tags": [{"Key": "tenant", "Value": self.tenant}],
            **policy,
        }


class _Provider(CredentialProvider):
    METHOD = "assume-role"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._fetcher = fetcher
        self._now = now

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._fetcher.fetch_credentials, self.METHOD, self._now)
