"""Act as a user of a deployed stack, with plain boto3 and HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from botocore.exceptions import ClientError
from localstack_client.session import Session

from pipeline.cloud.dynamo_table import DynamoTable
from pipeline.contracts.object_keys import RunKeys, run_name
from pipeline.contracts.records.run import Run
from pipeline.intake.run_log import RunLog
from pipeline.registry.api_keys import ApiKeys
from pipeline.registry.audit import AuditLog

STACK = "modeldrop"


class Cloud:
    """A deployed stack, reached by one boto3 session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        stack = session.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        self.uploads, self.artifacts = outputs["UploadsBucket"], outputs["ArtifactsBucket"]
        self.state_machine = outputs["StateMachineArn"]
        self.queue = outputs["QueueUrl"]
        self.s3 = session.client("s3")
        self.sfn = session.client("stepfunctions")
        self.sqs = session.client("sqs")
        self.table = DynamoTable(session.client("dynamodb"), outputs["TableName"])
        self.runs = RunLog(self.table)
        self._keys = ApiKeys(self.table)
        self.audit = AuditLog(self.table)
        self.api_url = self._api_url(outputs["ApiUrl"])
        self.key = self.key_of("demo")

    @staticmethod
    def is_deployed(session: Session) -> bool:
        try:
            return bool(session.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"])
        except ClientError:
            return False

    def _api_url(self, output: str) -> str:
        """Return the API's URL on the emulator, which serves REST APIs at its own address."""
        api_id = output.split("//")[1].split(".", maxsplit=1)[0]
        endpoint = self.session.client("apigateway").meta.endpoint_url
        return f"{endpoint}/restapis/{api_id}/{output.rstrip('/').rsplit('/', 1)[1]}/_user_request_"

    def key_of(self, tenant: str, role: str = "predictor") -> str:
        return self._keys.create(tenant, "tests", role=role)

    def drop(self, key: str, body: bytes, **metadata: str) -> str:
        """Put an object like any S3 client, and return the name of the run that it must start."""
        version = self.s3.put_object(Bucket=self.uploads, Key=key, Body=body, Metadata=metadata)["VersionId"]
        tenant, model, _ = key.split("/", 2)
        return run_name(tenant, model, self.uploads, key, version)

    def ended(self, run: str, seconds: float = 480) -> Run:
        """Wait until the run has ended, and return it."""
        return self.until(run, lambda found: found.status != "RUNNING", seconds)

    def drop_and_end(self, key: str, body: bytes, seconds: float = 480, **metadata: str) -> Run:
        return self.ended(self.drop(key, body, **metadata), seconds)

    def until(self, run: str, condition: Callable[[Run], bool], seconds: float = 480) -> Run:
        end = time.monotonic() + seconds
        found = None
        while time.monotonic() < end:
            if any(listed.run == run for listed in self.runs.list(limit=1000)):
                found = self.runs.get(run)
                if condition(found):
                    return found
            time.sleep(0.1)
        raise AssertionError(f"{run}: still {found}")

    def post(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.post(self.api_url + path, content=content, headers=self._headers(key), timeout=60)

    def get(self, path: str, key: str | None = None) -> httpx.Response:
        return httpx.get(self.api_url + path, headers=self._headers(key), timeout=60)

    def _headers(self, key: str | None) -> Mapping[str, str]:
        return {"x-api-key": self.key if key is None else key, "content-type": "application/json"}

    def document(self, run: str, name: str) -> Any:
        """Return a JSON document of a run; ``name`` is a property of RunKeys."""
        key = getattr(RunKeys(run), name)
        return json.loads(self.s3.get_object(Bucket=self.artifacts, Key=key)["Body"].read())
