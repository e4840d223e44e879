"""Read the log lines of functions and jobs from CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.cloud.errors import IgnoredCodes, translate_errors

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

__all__ = ["CloudWatchLogs", "LogEvent"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogEvent:
    """One log event.

    Attributes:
        timestamp: Time of the event, UTC.
        group: Name of the log group.
        message: Text of the event, mostly one JSON object.
    """

    timestamp: datetime
    group: str
    message: str


class CloudWatchLogs:
    """The log groups of one stack."""

    def __init__(self, client: CloudWatchLogsClient, groups: Sequence[str]) -> None:
        self._client = client
        self._groups = tuple(groups)

    def lines(self, run: str, *, since: datetime | None = None) -> list[LogEvent]:
        """Return the log events that contain the name of a run, oldest first.

        A log group that does not exist yet is treated as empty.
        """
        events = [event for group in self._groups for event in self._read_group(group, run, since)]
        return sorted(events, key=lambda event: event.timestamp)

    def _read_group(self, group: str, run: str, since: datetime | None) -> Iterator[LogEvent]:
        start = int(since.timestamp() * 1000) if since else 0
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=group, filterPattern=f'"{run}"', startTime=start
        )
        with translate_errors(f"the log group {group}"), IgnoredCodes("ResourceNotFoundException"):
            for event in (event for page in pages for event in page["events"]):
                timestamp = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                yield LogEvent(timestamp=timestamp, group=group, message=event["message"].rstrip())
