"""What a message of the queue tells of; the messages are files of tests/events, as AWS sends them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.intake.events import parse_references
from pipeline.intake.start import UploadReference
from tests.helpers.function_files import event


def message(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(event(name)["Records"][0]["body"])
    return body


def test_an_eventbridge_events_key_is_taken_as_it_is() -> None:
    assert parse_references(message("start_run")) == [
        UploadReference(
            bucket="modeldrop-uploads",
            key="demo/adult/train+set 1.csv",
            version_id="IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
        )
    ]


def test_a_notifications_key_is_decoded() -> None:
    assert parse_references(message("start_run_s3_notification")) == [
        UploadReference(
            bucket="modeldrop-uploads",
            key="demo/adult/train+set 1.csv",
            version_id="096fKKXTRTtl3on89fVO.nfljtsv6qko",
        )
    ]


def test_s3s_test_message_contains_no_object() -> None:
    assert parse_references({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "modeldrop-uploads"}) == []


def test_an_event_without_a_version_has_none() -> None:
    event = message("start_run")
    del event["detail"]["object"]["version-id"]
    assert parse_references(event)[0].version_id is None


def test_a_message_that_is_not_an_event_of_an_object_is_refused() -> None:
    with pytest.raises(KeyError):
        parse_references({"detail": {"bucket": {"name": "modeldrop-uploads"}}})
