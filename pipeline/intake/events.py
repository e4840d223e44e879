"""Parse messages of the uploads queue."""

from __future__ import annotations

from collections.abc import Mapping
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
        detail = message["detail"]
        uploaded = detail["object"]
        bucket, version_id = detail["bucket"]["name"], uploaded.get("version-id")
        return [UploadReference(bucket=bucket, key=uploaded["key"], version_id=version_id)]
    return [
        UploadReference(
            bucket=record["s3"]["bucket"]["name"],
            key=unquote_plus(record["s3"]["object"]["key"]),
            version_id=record["s3"]["object"].get("versionId"),
        )
        for record in message.get("Records", [])
    ]
