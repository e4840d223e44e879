"""Credentials for one run alone: a role, narrowed by a session policy, taken anew before they end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.session import Session

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.table_keys import run_key

__all__ = ["RunRole"]

_SECONDS = 3600  # a role that was taken by a role lasts no longer


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRole:
    """``role`` (its ARN) may work on all runs; what is made of it here may work on ``run``."""

    role: str
    run: str
    bucket: str
    table: str

    def session(self, own: Session, endpoint_url: str | None) -> Session:
        """A session with these credentials; those of ``own`` serve to take the role."""
        credentials, create = own.get_credentials(), own.create_client

        def client(service: str, **options: Any) -> Any:
            return create(service, **{**options, "endpoint_url": endpoint_url})

        arguments = {
            "RoleSessionName": self.run[:64],
            "DurationSeconds": _SECONDS,
            "Policy": json.dumps(self.policy()),
        }
        fetcher = AssumeRoleCredentialFetcher(client, credentials, self.role, extra_args=arguments)
        narrowed = Session()
        narrowed.register_component("credential_provider", CredentialResolver([_Provider(fetcher)]))
        return narrowed

    def policy(self) -> dict[str, Any]:
        """Its objects, and its own items of the table."""
        _, partition, _, _, account, _ = self.role.split(":", 5)
        keys = RunKeys.of(self.run)
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


class _Provider(CredentialProvider):
    METHOD = "assume-role"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        super().__init__()
        self._fetcher = fetcher

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._fetcher.fetch_credentials, self.METHOD)
