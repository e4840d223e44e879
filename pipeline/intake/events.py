"""What a message of the queue says was uploaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from pipeline.intake.start import UploadReference

__all__ = ["parse_references"]


def parse_references(message: Mapping[str, Any]) -> list[UploadReference]:
    """The objects that ``message`` tells of: an EventBridge event, or a notification that S3 itself sent.

    The two write a key differently: a notification's is URL-encoded (a space is ``+``), an EventBridge event's is as it
    is (a ``+`` is a ``+``). S3's test message, sent when a notification is set up, tells of none.
    """
    if "detail" in message:
        return [_parse_event(message["detail"])]
    return list(_parse_notification(message.get("Records", [])))


def _parse_event(detail: Mapping[str, Any]) -> UploadReference:
    uploaded = detail["object"]
    return UploadReference(
        bucket=detail["bucket"]["name"],
        key=uploaded["key"],
        version_id=uploaded.get("version-id"),
        sequencer=uploaded.get("sequencer"),
    )


def _parse_notification(records: list[Mapping[str, Any]]) -> Iterator[UploadReference]:
    for record in records:
        uploaded = record["s3"]["object"]
        yield UploadReference(
            bucket=record["s3"]["bucket"]["name"],
            key=unquote_plus(uploaded["key"]),
            version_id=uploaded.get("versionId"),
            sequencer=uploaded.get("sequencer"),
        )
