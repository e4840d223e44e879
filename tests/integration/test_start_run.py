"""The function ``start_run`` on moto: events as AWS sends them -> runs, records, executions."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.cloud.clients import Clients
from pipeline.contracts.object_keys import RunKeys, rejected_key, run_name
from pipeline.contracts.records.run import Upload
from tests.helpers.function_files import event
from tests.helpers.handlers import handler
from tests.integration.conftest import ARTIFACTS, UPLOADS

KEY = "demo/adult/train+set 1.csv"
Start = Callable[[dict[str, Any]], Any]


@pytest.fixture
def start(account: dict[str, str]) -> Start:
    return handler("start_run")


def drop(clients: Clients, key: str = KEY, **metadata: str) -> str:
    return clients.s3.put_object(Bucket=UPLOADS, Key=key, Body=b"a,b\n1,2\n", Metadata=metadata)["VersionId"]


def message(version_id: str | None, key: str = KEY, number: int = 0) -> dict[str, Any]:
    """One record of the queue: the event of the file, for another object version."""
    record = copy.deepcopy(event("start_run")["Records"][0])
    body = json.loads(record["body"])
    body["detail"]["object"] |= {"key": key, "version-id": version_id}
    return record | {"messageId": f"message-{number}", "body": json.dumps(body)}


def executions(clients: Clients, account: dict[str, str]) -> list[str]:
    listed = clients.stepfunctions.list_executions(stateMachineArn=account["STATE_MACHINE_ARN"])
    return [execution["name"] for execution in listed["executions"]]


def test_an_event_starts_a_run_and_stores_the_upload(start: Start, clients: Clients, account: dict[str, str]) -> None:
    version_id = drop(clients, target="income")
    assert start({"Records": [message(version_id)]}) == {"batchItemFailures": []}
    run = run_name("demo", "adult", UPLOADS, KEY, version_id)
    assert executions(clients, account) == [run]
    stored = clients.s3.get_object(Bucket=ARTIFACTS, Key=RunKeys(run).upload)["Body"].read()
    assert Upload.from_bytes(stored).metadata == {"target": "income"}


def test_ten_copies_of_an_event_start_one_run(start: Start, clients: Clients, account: dict[str, str]) -> None:
    version_id = drop(clients)
    batch = {"Records": [message(version_id, number=number) for number in range(10)]}
    assert start(batch) == {"batchItemFailures": []}
    assert start(batch) == {"batchItemFailures": []}
    assert len(executions(clients, account)) == 1


def test_each_version_of_a_key_starts_a_run(start: Start, clients: Clients, account: dict[str, str]) -> None:
    batch = {"Records": [message(drop(clients), number=number) for number in range(3)]}
    assert start(batch) == {"batchItemFailures": []}
    assert len(executions(clients, account)) == 3


def test_an_event_without_a_version_starts_a_run_of_the_latest_version(
    start: Start, clients: Clients, account: dict[str, str]
) -> None:
    for number in range(2):
        drop(clients)
        record = message(None, number=number)
        body = json.loads(record["body"])
        del body["detail"]["object"]["version-id"]
        start({"Records": [record | {"body": json.dumps(body)}]})
    assert len(executions(clients, account)) == 2


def test_only_the_invalid_message_of_a_batch_is_returned_to_the_queue(
    start: Start, clients: Clients, account: dict[str, str]
) -> None:
    good, bad = message(drop(clients), number=1), message(None, number=2)
    assert start({"Records": [bad | {"body": "not an event"}, good]}) == {
        "batchItemFailures": [{"itemIdentifier": "message-2"}]
    }
    assert len(executions(clients, account)) == 1


def test_all_invalid_messages_of_a_batch_are_returned_to_the_queue(start: Start) -> None:
    bad = [message(None, number=number) | {"body": "{}{"} for number in range(2)]
    assert len(start({"Records": bad})["batchItemFailures"]) == 2


def test_a_message_whose_run_could_not_start_is_returned_and_succeeds_later(
    start: Start, clients: Clients, account: dict[str, str]
) -> None:
    version_id = drop(clients)
    clients.s3.delete_bucket(Bucket=ARTIFACTS)
    assert len(start({"Records": [message(version_id)]})["batchItemFailures"]) == 1
    assert executions(clients, account) == []
    clients.s3.create_bucket(Bucket=ARTIFACTS)
    assert start({"Records": [message(version_id)]}) == {"batchItemFailures": []}
    assert len(executions(clients, account)) == 1


@pytest.mark.parametrize("key", ["demo/adult/train.yaml", "demo/adult/test.csv", "demo/adult/parts/1.csv"])
def test_a_companion_or_part_file_starts_no_run_and_is_not_returned(
    start: Start, clients: Clients, account: dict[str, str], key: str
) -> None:
    assert start({"Records": [message(drop(clients, key), key)]}) == {"batchItemFailures": []}
    assert executions(clients, account) == []


def test_a_key_without_a_tenant_is_rejected_and_not_returned(
    start: Start, clients: Clients, account: dict[str, str]
) -> None:
    assert start({"Records": [message(drop(clients, "loose.csv"), "loose.csv")]}) == {"batchItemFailures": []}
    report = clients.s3.get_object(Bucket=ARTIFACTS, Key=rejected_key(UPLOADS, "loose.csv"))["Body"].read()
    assert b"expected TENANT/MODEL/FILE" in report
    assert executions(clients, account) == []


def test_an_event_of_a_deleted_object_starts_no_run(start: Start, clients: Clients, account: dict[str, str]) -> None:
    version_id = drop(clients)
    clients.s3.delete_object(Bucket=UPLOADS, Key=KEY, VersionId=version_id)
    assert start({"Records": [message(version_id)]}) == {"batchItemFailures": []}
    assert executions(clients, account) == []


def test_an_s3_notification_starts_the_same_run(start: Start, clients: Clients, account: dict[str, str]) -> None:
    version_id = drop(clients)
    record = event("start_run_s3_notification")["Records"][0]
    body = json.loads(record["body"])
    body["Records"][0]["s3"]["object"]["versionId"] = version_id
    start({"Records": [record | {"body": json.dumps(body)}]})
    assert executions(clients, account) == [run_name("demo", "adult", UPLOADS, KEY, version_id)]
