"""Port of the queues (SQS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Message", "Messages"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One delivery of a message.

    Attributes:
        body: Content of the message.
        receipt: Handle of this delivery, with which the message can be deleted.
    """

    body: str
    receipt: str


class Messages(Protocol):
    """Messages of one SQS queue. Delivery is at least once and unordered."""

    def count(self) -> int:
        """Return approximately how many messages are waiting."""
        ...

    def receive(self) -> Sequence[Message]:
        """Receive up to ten messages, and hide them for the queue's visibility timeout.

        Returns:
            Messages, possibly none. Each is delivered again after the timeout unless it is deleted.
        """
        ...

    def send(self, body: str) -> None:
        """Send a message. Not idempotent: a repeated call sends another message."""
        ...

    def delete(self, message: Message) -> None:
        """Delete a message by its receipt. Idempotent."""
        ...
