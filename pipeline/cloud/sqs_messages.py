"""Messages of an SQS queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cloud.errors import translate_errors
from pipeline.contracts.ports import Message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from mypy_boto3_sqs import SQSClient

__all__ = ["SqsMessages"]

_MAX_MESSAGES = 10  # messages per call
_WAIT_SECONDS = 1  # long polling asks all servers of the queue; a short poll may miss messages


class SqsMessages:
    """Messages of one queue."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def count(self) -> int:
        """Return the approximate number of visible messages."""
        with self._translate_errors():
            response = self._client.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
            )
        return int(response["Attributes"]["ApproximateNumberOfMessages"])

    def receive(self) -> Sequence[Message]:
        """Receive at most ten messages, which stay invisible for the queue's visibility timeout."""
        with self._translate_errors():
            response = self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=_MAX_MESSAGES, WaitTimeSeconds=_WAIT_SECONDS
            )
        return [
            Message(body=message["Body"], receipt=message["ReceiptHandle"]) for message in response.get("Messages", [])
        ]

    def send(self, body: str) -> None:
        """Send a message."""
        with self._translate_errors():
            self._client.send_message(QueueUrl=self._url, MessageBody=body)

    def delete(self, message: Message) -> None:
        """Delete a message that was received."""
        with self._translate_errors():
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)

    def _translate_errors(self) -> AbstractContextManager[None]:
        return translate_errors(f"the queue {self._url.rsplit('/', 1)[-1]}")
