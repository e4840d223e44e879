"""Parse messages of the uploads queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from pipeline.intake.start import UploadReference

__all__ = ["parse_references"]


def parse_references(message: Mapping[str, Any]) -> list[UploadReference]:
    """Return the objects that a message reports: an EventBridge event, or a notification of S3 itself.

    The key is URL-encoded in a notification (``+`` is a space) and literal in an EventBridge event (``+`` is a ``+``).
    S3's test message, sent when a notification is configured, reports none.
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
