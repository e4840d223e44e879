"""Gap: EventBridge keeps every event in memory and never reads it."""

from __future__ import annotations

from typing import Any

from ministack.services import eventbridge

from pipeline.local.private_names import PrivateName

__all__ = ["PRIVATE_NAMES", "install"]

PRIVATE_NAMES = (PrivateName(module=eventbridge, name="_events_log_list", parameters=()),)


def install() -> None:
    """Drop events after they are dispatched."""

    def list_no_events() -> list[Any]:
        return []

    eventbridge._events_log_list = list_no_events
