"""Publish changes as events of EventBridge, on the account's default bus."""

from __future__ import annotations

import json
from typing import Any

from pipeline.cloud.errors import translate_errors
from pipeline.contracts.errors import TransientError
from pipeline.contracts.records.change import Change

__all__ = ["EventBridge"]

SOURCE = "modeldrop"


class EventBridge:
    """A ChangeListener that publishes each change as an event, whose detail type is the kind of the change.

    Args:
        client: Client of the service ``events``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def notify(self, change: Change) -> None:
        """Put an event (PutEvents).

        Raises:
            TransientError: EventBridge did not accept the event.
        """
        detail = {"id": change.id, "tenant": change.tenant, "time": change.time, **change.detail}
        entry = {"Source": SOURCE, "DetailType": change.kind, "Detail": json.dumps(detail)}
        with translate_errors("EventBridge"):
            response = self._client.put_events(Entries=[entry])
        if response.get("FailedEntryCount"):
            raise TransientError(f"EventBridge did not accept an event ({response['Entries'][0].get('ErrorCode')})")
