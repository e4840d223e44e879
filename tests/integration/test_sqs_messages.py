"""The queue adapter on moto's SQS."""

from __future__ import annotations

import pytest

from pipeline.cloud.clients import Clients
from pipeline.cloud.sqs_messages import SqsMessages


@pytest.fixture
def queue(clients: Clients) -> SqsMessages:
    return SqsMessages(clients.sqs, clients.sqs.create_queue(QueueName="letters")["QueueUrl"])


def test_messages_are_received_and_deleted(queue: SqsMessages) -> None:
    assert (queue.count(), list(queue.receive())) == (0, [])
    for body in ("a", "b"):
        queue.send(body)
    assert queue.count() == 2
    received = [message for _ in range(2) for message in queue.receive()]
    assert sorted(message.body for message in received) == ["a", "b"]
    for message in received:
        queue.delete(message)
    assert queue.count() == 0


def test_a_received_message_is_invisible(queue: SqsMessages) -> None:
    queue.send("a")
    assert len(queue.receive()) == 1
    assert list(queue.receive()) == []
