"""Messages that nobody could handle: how many there are, and handing them over once more."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.contracts.ports import FunctionCalls, Messages

__all__ = ["DeadLetters", "events", "failures", "uploads"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetters:
    """One dead-letter queue. ``contents`` says what is in it; ``hand_over`` gives a message's body to its receiver."""

    name: str
    contents: str
    queue: Messages
    hand_over: Callable[[str], object]

    def count(self) -> int:
        """About how many there are: SQS counts in its own time."""
        return self.queue.count()

    def redrive(self) -> int:
        """Hand all messages over again; how many. Each is deleted once its receiver has it, and stays otherwise."""
        handed = 0
        while messages := self.queue.take():
            for message in messages:
                self.hand_over(message.body)
                self.queue.delete(message)
                handed += 1
        return handed


def uploads(queue: Messages, uploads_queue: Messages) -> DeadLetters:
    """Uploads that start_run could not handle."""
    contents = "uploads that started no run: five attempts failed"
    return DeadLetters(name="uploads", contents=contents, queue=queue, hand_over=uploads_queue.send)


def events(queue: Messages, uploads_queue: Messages) -> DeadLetters:
    """Uploads' events that EventBridge could not deliver; its dead letter is the event itself."""
    contents = "uploads that did not reach the queue"
    return DeadLetters(name="events", contents=contents, queue=queue, hand_over=uploads_queue.send)


def failures(queue: Messages, calls: FunctionCalls, function: str) -> DeadLetters:
    """Ends of executions that were not recorded: EventBridge's event, or Lambda's account of a call that failed."""

    def record(body: str) -> None:
        document = json.loads(body)
        calls.call(function, document.get("requestPayload", document))

    contents = "runs that ended badly and are not marked as FAILED"
    return DeadLetters(name="failures", contents=contents, queue=queue, hand_over=record)
