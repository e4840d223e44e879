"""Dead-letter queues: count their messages and deliver them again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.contracts.ports import FunctionCalls, Messages

__all__ = ["DeadLetters", "events", "failures", "uploads"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetters:
    """One dead-letter queue.

    Attributes:
        name: Name, as commands use it.
        contents: Sentence that describes the messages.
        queue: Messages that their receiver could not process.
        deliver: Delivers the body of a message to its receiver, or raises.
    """

    name: str
    contents: str
    queue: Messages
    deliver: Callable[[str], object]

    def count(self) -> int:
        """Return approximately how many messages there are; SQS updates the number with a delay."""
        return self.queue.count()

    def redrive(self) -> int:
        """Deliver all messages again.

        Each message is deleted once its receiver has it. If a delivery raises, that message and the rest stay in the
        queue.

        Returns:
            Number of delivered messages.
        """
        delivered = 0
        while messages := self.queue.receive():
            for message in messages:
                self.deliver(message.body)
                self.queue.delete(message)
                delivered += 1
        return delivered


def uploads(queue: Messages, uploads_queue: Messages) -> DeadLetters:
    """Return the queue of uploads that start_run could not process."""
    contents = "uploads whose run could not be started in five attempts"
    return DeadLetters(name="uploads", contents=contents, queue=queue, deliver=uploads_queue.send)


def events(queue: Messages, uploads_queue: Messages) -> DeadLetters:
    """Return the queue of upload events that EventBridge could not deliver; each message is the event itself."""
    contents = "upload events that were not delivered to the queue"
    return DeadLetters(name="events", contents=contents, queue=queue, deliver=uploads_queue.send)


def failures(queue: Messages, calls: FunctionCalls, function: str) -> DeadLetters:
    """Return the queue of failures that were not recorded.

    Its messages are EventBridge events, or Lambda's records of failed asynchronous calls.
    """

    def record(body: str) -> None:
        document = json.loads(body)
        calls.call(function, document.get("requestPayload", document))

    contents = "failed runs that are not marked as FAILED"
    return DeadLetters(name="failures", contents=contents, queue=queue, deliver=record)
