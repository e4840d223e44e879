"""Low-level clients, each created on first use.

They come from a session of botocore, not of boto3, whose resources and transfers would lengthen every cold start.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from pipeline.contracts.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

    from pipeline.cloud.assumed_role import TenantRole

__all__ = ["Clients"]

_POOL = 32  # connections per client; each transfer uses ten threads
_RETRIES = {"mode": "standard", "total_max_attempts": 5}


def _client(service: str, **options: Any) -> cached_property[Any]:
    """Return a property that creates a client on first use.

    Args:
        service: botocore's name of the service.
        options: Options of botocore's Config.
    """
    return cached_property(lambda clients: clients._create(service, **options))


class Clients:
    """Clients of one account and region, each created on first use.

    Attributes:
        dynamodb: Client of DynamoDB, with short timeouts, because a request takes milliseconds.
        functions: Client of Lambda. It waits 60 s, to include a cold start, and never retries, so that a function is
            not called twice.

    Args:
        endpoint_url: URL of another cloud instead of AWS, whose buckets are addressed by path.
        region: None means that of the profile or the environment.
        profile: Profile of ~/.aws/config; None means AWS's default chain.
        credentials: Access key id and secret access key; None means AWS's default chain.

    Raises:
        ConfigurationError: The profile does not exist, or (on first use) a client cannot be created.
    """

    dynamodb: cached_property[DynamoDBClient] = _client("dynamodb", connect_timeout=2, read_timeout=5)
    functions: cached_property[LambdaClient] = _client(
        "lambda", read_timeout=60, retries={**_RETRIES, "total_max_attempts": 1}
    )
    stepfunctions: cached_property[SFNClient] = _client("stepfunctions")
    logs: cached_property[CloudWatchLogsClient] = _client("logs")
    sqs: cached_property[SQSClient] = _client("sqs")
    cloudformation: cached_property[CloudFormationClient] = _client("cloudformation")
    apigateway = _client("apigateway")
    cognito = _client("cognito-idp")
    events = _client("events")
    sts = _client("sts")
    ec2 = _client("ec2")
    ecr = _client("ecr")
    service_quotas = _client("service-quotas")

    def __init__(
        self,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        profile: str | None = None,
        credentials: tuple[str, str] | None = None,
    ) -> None:
        self._session = Session(profile=profile)
        if profile is not None and profile not in self._session.available_profiles:
            raise ConfigurationError(f"there is no AWS profile '{profile}': one of ~/.aws/config is expected")
        self._endpoint_url = endpoint_url
        self._region = region
        if credentials is not None:
            self._session.set_credentials(*credentials)

    def acting_as(self, role: TenantRole) -> Clients:
        """Return clients with the permissions of a role instead of their own."""
        clients = Clients(endpoint_url=self._endpoint_url, region=self._region)
        clients._session = role.session(self._session, endpoint_url=self._endpoint_url, region=self.region or None)
        return clients

    def read_models(self, *services: str) -> None:
        """Load botocore's models of services while the function starts, so that it creates clients faster later.

        The first model takes 50 ms of CPU time, and a function has a full CPU only while it starts.

        Args:
            services: botocore's names of the services.
        """
        for service in services:
            self._create(service)

    @cached_property
    def s3(self) -> S3Client:
        """Return the S3 client."""
        style = {"addressing_style": "path"} if self._endpoint_url else {}
        return cast("S3Client", self._create("s3", s3=style))

    @cached_property
    def s3_signer(self) -> S3Client:
        """Return the S3 client of presigned uploads.

        It signs with version 4, for the bucket's host in its own region, because a redirected POST would lose its body.
        """
        style = {"addressing_style": "path" if self._endpoint_url else "virtual"}
        return cast("S3Client", self._create("s3", signature_version="s3v4", s3=style))

    @property
    def region(self) -> str:
        """Return ``region``, or else the region of the profile or the environment; empty if none is configured."""
        return self._region or self._session.get_config_variable("region") or ""

    def regions(self) -> list[str]:
        """Return the regions that botocore knows, of all partitions."""
        partitions = self._session.get_available_partitions()
        return [
            region
            for partition in partitions
            for region in self._session.get_available_regions("cloudformation", partition_name=partition)
        ]

    def _create(self, service: str, **options: Any) -> Any:
        defaults = {"connect_timeout": 5, "read_timeout": 30, "retries": _RETRIES, "max_pool_connections": _POOL}
        config = Config(**{**defaults, **options})
        try:
            return self._session.create_client(
                service, region_name=self._region, endpoint_url=self._endpoint_url, config=config
            )
        except (BotoCoreError, ValueError) as error:  # ValueError: the endpoint is not a URL
            raise ConfigurationError(f"no client for {service} can be created: {error}") from error
