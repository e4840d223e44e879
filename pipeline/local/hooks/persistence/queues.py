"""Gap: SQS writes its messages only at a clean end."""

from __future__ import annotations

import time
from typing import Any

from ministack.services import sqs

from pipeline.local.private_names import private_names
from pipeline.local.store.database import Change
from pipeline.local.store.journal import Journal
from pipeline.local.store.stored_dict import decode, encode

__all__ = ["PRIVATE_NAMES", "install"]

PRIVATE_NAMES = private_names(sqs, "_queues", "_rebuild_queue_name_index()")

_QUEUES, _MESSAGES = "sqs-queues", "sqs-messages"  # names of stores: queues without their messages, and messages

Message = dict[str, Any]


def install(journal: Journal) -> None:
    """Keep all queues in the journal. Messages received from a previous server become visible again."""
    sqs._queues._data = _Queues(journal)
    sqs._rebuild_queue_name_index()


class _Queues(dict[Any, dict[str, Any]]):
    """Queues by account, region and URL, in memory and in the journal. A copy is empty: all is written already."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._on_disk: dict[tuple[str, Any], Any] = {}  # by store and key: fields that show a change
        self._written_marks: dict[tuple[str, Any], Any] = {}
        for raw, value in journal.database.items(_QUEUES):
            self[tuple(decode(raw))] = {"messages": [], **decode(value)}
        for raw, value in journal.database.items(_MESSAGES):
            key, message = tuple(decode(raw)[0]), decode(value)
            self._on_disk[_MESSAGES, (key, message["id"])] = _mutable_fields(message)
            if message["receive_count"]:
                message["visible_at"] = min(message["visible_at"], time.time())
            self[key]["messages"].append(message)
        journal.add(self)

    def __deepcopy__(self, memo: object) -> dict[Any, Any]:
        return {}

    def changes(self) -> list[Change]:
        """Return the queues and messages that changed or were deleted."""
        changed: list[Change] = []
        self._written_marks = {}
        for key, queue in list(self.items()):
            attributes = encode({name: value for name, value in queue.items() if name != "messages"})
            self._written_marks[_QUEUES, key] = attributes
            if self._on_disk.get((_QUEUES, key)) != attributes:
                changed.append((_QUEUES, encode(key), attributes))
            for message in list(queue["messages"]):
                row, marks = (_MESSAGES, (key, message["id"])), _mutable_fields(message)
                self._written_marks[row] = marks
                if self._on_disk.get(row) != marks:
                    changed.append((_MESSAGES, encode(row[1]), encode(message)))
        deleted = self._on_disk.keys() - self._written_marks.keys()
        return [*changed, *((store, encode(key), None) for store, key in deleted)]

    def saved(self) -> None:
        """Note that the changes returned last are in the database."""
        self._on_disk = self._written_marks


def _mutable_fields(message: Message) -> tuple[Any, ...]:
    """Return the fields of a message that change while it is in its queue."""
    return message["visible_at"], message["receive_count"], message["receipt_handle"]
