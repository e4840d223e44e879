"""Gap: EventBridge keeps every event in memory and never reads it."""

from __future__ import annotations

from typing import Any

from ministack.services import eventbridge

from pipeline.local.private_names import private_names

__all__ = ["PRIVATE_NAMES", "install"]

PRIVATE_NAMES = private_names(eventbridge, "_events_log_list()")


def install() -> None:
    """Drop events after they are dispatched."""

    def list_no_events() -> list[Any]:
        return []

    eventbridge._events_log_list = list_no_events
