"""Gap: SQS writes its messages at a clean end."""

from __future__ import annotations

import time

from ministack.services import sqs

from pipeline.local.private_names import PrivateName
from pipeline.local.store.journal import Journal
from pipeline.local.store.stored_dict import StoredDict

__all__ = ["PRIVATE_NAMES", "install"]

PRIVATE_NAMES = (
    PrivateName(module=sqs, name="_queues"),
    PrivateName(module=sqs, name="_rebuild_queue_name_index", parameters=()),
)


def install(journal: Journal) -> None:
    """Keep all queues in the journal. What a server that is gone had received may be received again."""
    queues = StoredDict(journal, "sqs-queues", kept=lambda queue: True)
    for key, queue in queues.items():
        for message in queue["messages"]:
            if message["receive_count"]:
                message["visible_at"] = min(message["visible_at"], time.time())
        queues[key] = queue
    sqs._queues._data = queues
    sqs._rebuild_queue_name_index()
