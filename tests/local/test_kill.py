"""Everything that a server acknowledged is there after it was killed."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from localstack_client.session import Session

from pipeline.contracts.errors import ConfigurationError
from pipeline.local.launch import start, terminate, wait_for
from tests.local.conftest import Local, run_server, until
from tests.local.test_cloud import finished, job

pytestmark = pytest.mark.cloud

_KEYS = 3  # that are written over and over
_ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=10)


def killed(own: Local) -> Local:
    os.kill(own.server.pid, signal.SIGKILL)
    until(lambda: own.home.server() is None)
    return replace(own, server=wait_for(own.home, start(own.home)))


def once(own: Local, service: str) -> Any:
    """Return a client that does not retry: each response belongs to one request."""
    host = own.server.endpoint_url.removeprefix("http://")
    return Session(localstack_host=host).client(service, config=_ONCE)


def repeat(write: Callable[[int], None]) -> threading.Thread:
    """Write until the server is gone."""

    def run() -> None:
        for number in range(100_000):
            try:
                write(number)
            except (BotoCoreError, ClientError):
                return

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def assert_stored(  # noqa: PLR0917 - what each service has acknowledged
    back: Local,
    bucket: str,
    queue: str,
    versions: list[tuple[str, str, bytes]],
    objects: dict[str, list[bytes]],
    items: dict[str, int],
    messages: list[str],
    executions: list[str],
) -> None:
    """Assert that acknowledged values are stored, and that others have their old or their new value."""
    s3, sqs, dynamodb = back.client("s3"), back.client("sqs"), back.client("dynamodb")
    for name, version, content in versions:
        stored = s3.get_object(Bucket=bucket, Key=name, VersionId=version)
        assert stored["Body"].read() == content
    for name, contents in objects.items():
        stored = s3.get_object(Bucket="plain", Key=name)
        content = stored["Body"].read()
        assert content in contents
        assert stored["ETag"] == f'"{md5(content).hexdigest()}"'
    for name, number in items.items():
        stored = dynamodb.get_item(TableName="items", Key={"id": {"S": name}})["Item"]
        assert int(stored["number"]["N"]) >= number
    assert set(messages) <= set(received(sqs, queue))
    for arn in executions:
        execution = back.client("stepfunctions").describe_execution(executionArn=arn)
        assert execution["status"] == "SUCCEEDED" or "interrupted" in execution["cause"]


def test_acknowledged_writes_survive_a_kill(own: Local) -> None:
    s3, sqs, dynamodb, sfn = (once(own, name) for name in ("s3", "sqs", "dynamodb", "stepfunctions"))
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    key = {"AttributeName": "id", "KeyType": "HASH"}
    definition = [{"AttributeName": "id", "AttributeType": "S"}]
    dynamodb.create_table(
        TableName="items", KeySchema=[key], AttributeDefinitions=definition, BillingMode="PAY_PER_REQUEST"
    )
    s3.create_bucket(Bucket="plain")  # without versions
    versions: list[tuple[str, str, bytes]] = []
    objects: dict[str, list[bytes]] = {}
    items: dict[str, int] = {}
    messages: list[str] = []
    executions: list[str] = []

    def put_version(number: int) -> None:
        name, content = f"same/{number % _KEYS}", os.urandom(2000)
        response = s3.put_object(Bucket=own.outputs["Bucket"], Key=name, Body=content)
        versions.append((name, response["VersionId"], content))

    def put_object(number: int) -> None:
        name, content = f"same/{number % _KEYS}", os.urandom(2000)
        objects.setdefault(name, []).append(content)  # one that is not answered may be there, or not
        s3.put_object(Bucket="plain", Key=name, Body=content)
        objects[name][:] = [content]

    def put_item(number: int) -> None:
        name = f"item-{number % 50}"
        dynamodb.put_item(TableName="items", Item={"id": {"S": name}, "number": {"N": str(number)}})
        items[name] = number

    def send(number: int) -> None:
        sqs.send_message(QueueUrl=queue, MessageBody=str(number))
        messages.append(str(number))

    def run(number: int) -> None:
        response = sfn.start_execution(
            stateMachineArn=own.outputs["Machine"], name=f"run-{number}", input='{"way": "-"}'
        )
        executions.append(response["executionArn"])
        time.sleep(0.05)

    writers = [repeat(write) for write in (put_version, put_object, put_item, send, run)]
    time.sleep(2)
    back = killed(own)
    for writer in writers:
        writer.join()
    assert min(len(versions), len(items), len(messages), len(executions)) > 5
    assert_stored(back, own.outputs["Bucket"], queue, versions, objects, items, messages, executions)


def received(sqs: Any, queue: str) -> list[str]:
    bodies = []
    while batch := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in batch]
    return bodies


def test_deleted_versions_and_objects_stay_deleted_after_a_kill(own: Local) -> None:
    s3, bucket = own.client("s3"), own.outputs["Bucket"]
    first = s3.put_object(Bucket=bucket, Key="a", Body=b"first")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="a", Body=b"second")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="a", VersionId=second)
    s3.put_object(Bucket=bucket, Key="b", Body=b"hidden")
    s3.delete_object(Bucket=bucket, Key="b")
    s3 = killed(own).client("s3")
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"first"
    assert s3.get_object(Bucket=bucket, Key="a")["VersionId"] == first
    contents = [file.read_bytes() for file in own.home.contents.glob("??/*")]
    assert b"second" not in contents
    assert b"hidden" in contents  # below its delete marker
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="b")


def test_a_pending_event_is_delivered_after_a_kill(own: Local) -> None:
    s3, sqs, events = own.client("s3"), own.client("sqs"), own.client("events")
    queue = sqs.create_queue(QueueName="uploads")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="uploaded", EventPattern='{"source": ["aws.s3"], "detail": {"object": {"key": ["new"]}}}')
    events.put_targets(Rule="uploaded", Targets=[{"Id": "queue", "Arn": arn}])
    until(lambda: "uploaded" in (own.home.state / "eventbridge.json").read_text())
    s3.put_object(Bucket=own.outputs["Bucket"], Key="new", Body=b"")
    back = killed(own)
    received_messages = until(
        lambda: back.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages")
    )
    assert '"key": "new"' in received_messages[0]["Body"]


def test_unconfirmed_content_of_a_killed_server_is_removed(own: Local) -> None:
    s3, bucket = own.client("s3"), own.outputs["Bucket"]
    s3.put_object(Bucket=bucket, Key="kept", Body=b"kept")
    left = own.home.contents / "ab" / ("ab" + "0" * 38)
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"never confirmed")
    back = killed(own)
    until(lambda: not left.exists())
    assert back.client("s3").get_object(Bucket=bucket, Key="kept")["Body"].read() == b"kept"


def test_jobs_leave_no_temporary_files_when_they_or_the_server_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.setenv("TMPDIR", str(outside))
    local = run_server(tmp_path / "home")
    make = "import os, tempfile; folder = tempfile.mkdtemp(); open(folder + '/file', 'w').close(); "
    assert finished(local, job(local, make))["status"] == "SUCCEEDED"
    assert finished(local, job(local, make + "os.kill(os.getpid(), 9)"))["status"] == "FAILED"
    assert list(local.home.temporary.iterdir()) == []
    job(local, make + "import time; time.sleep(60)")
    until(lambda: list(local.home.temporary.glob("*/*/file")))
    local = killed(local)
    assert list(local.home.temporary.iterdir()) == []
    terminate(local.home, local.server)
    assert not local.home.temporary.exists()
    assert not local.home.run.exists()
    assert list(outside.iterdir()) == []


def test_a_write_to_a_full_disk_is_refused_and_later_writes_succeed(own: Local) -> None:
    s3, dynamodb, bucket = once(own, "s3"), once(own, "dynamodb"), own.outputs["Bucket"]
    key = {"AttributeName": "id", "KeyType": "HASH"}
    definition = [{"AttributeName": "id", "AttributeType": "S"}]
    dynamodb.create_table(
        TableName="items", KeySchema=[key], AttributeDefinitions=definition, BillingMode="PAY_PER_REQUEST"
    )
    s3.put_object(Bucket=bucket, Key="large", Body=b"old")
    _, most = resource.prlimit(own.server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(own.server.pid, resource.RLIMIT_FSIZE, (10_000, most))  # as a full disk does, it refuses writes
    with pytest.raises(ClientError, match=r"InsufficientStorage.*contents cannot be written: File too large"):
        s3.put_object(Bucket=bucket, Key="large", Body=b"new" * 10_000)
    with pytest.raises(ClientError, match=r"InsufficientStorage.*records\.db cannot be written"):
        dynamodb.put_item(TableName="items", Item={"id": {"S": "a"}})
    resource.prlimit(own.server.pid, resource.RLIMIT_FSIZE, (most, most))
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == b"old"
    s3.put_object(Bucket=bucket, Key="large", Body=b"new" * 10_000)
    dynamodb.put_item(TableName="items", Item={"id": {"S": "b"}})
    back = killed(own)
    assert back.client("s3").get_object(Bucket=bucket, Key="large")["Body"].read() == b"new" * 10_000
    assert "Item" in back.client("dynamodb").get_item(TableName="items", Key={"id": {"S": "b"}})


@pytest.mark.parametrize("file", ["state/dynamodb.json", "records.db"])
def test_a_damaged_file_is_reported_at_the_start(own: Local, file: str) -> None:
    terminate(own.home, own.server)
    (own.home.path / file).write_bytes(b"damaged" * 1000)
    with pytest.raises(ConfigurationError, match=rf"could not start: .*{file} .*'modeldrop down --wipe'"):
        wait_for(own.home, start(own.home))
