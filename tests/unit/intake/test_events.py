"""Upload references in messages of the queue; the messages are files of tests/events, as AWS sends them."""

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


def test_the_key_of_an_eventbridge_event_is_not_decoded() -> None:
    assert parse_references(message("start_run")) == [
        UploadReference(
            bucket="modeldrop-uploads",
            key="demo/adult/train+set 1.csv",
            version_id="IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
        )
    ]


def test_the_key_of_an_s3_notification_is_decoded() -> None:
    assert parse_references(message("start_run_s3_notification")) == [
        UploadReference(
            bucket="modeldrop-uploads",
            key="demo/adult/train+set 1.csv",
            version_id="096fKKXTRTtl3on89fVO.nfljtsv6qko",
        )
    ]


def test_the_test_message_of_s3_has_no_upload() -> None:
    assert parse_references({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "modeldrop-uploads"}) == []


def test_an_event_without_a_version_gives_a_reference_without_a_version() -> None:
    event = message("start_run")
    del event["detail"]["object"]["version-id"]
    assert parse_references(event)[0].version_id is None


def test_a_message_without_an_object_is_refused() -> None:
    with pytest.raises(KeyError):
        parse_references({"detail": {"bucket": {"name": "modeldrop-uploads"}}})
