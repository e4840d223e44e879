"""A queue in memory: a message that was received stays invisible until it is deleted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from pipeline.contracts.ports import Message

__all__ = ["FakeMessages"]


class FakeMessages:
    def __init__(self, *bodies: str) -> None:
        self._numbers = itertools.count()
        self._visible: dict[str, str] = {}
        self.taken: dict[str, str] = {}
        for body in bodies:
            self.send(body)

    @property
    def bodies(self) -> list[str]:
        return list(self._visible.values())

    def count(self) -> int:
        return len(self._visible)

    def receive(self) -> Sequence[Message]:
        some = dict(itertools.islice(self._visible.items(), 10))
        for receipt in some:
            self.taken[receipt] = self._visible.pop(receipt)
        return [Message(body=body, receipt=receipt) for receipt, body in some.items()]

    def send(self, body: str) -> None:
        self._visible[str(next(self._numbers))] = body

    def delete(self, message: Message) -> None:
        del self.taken[message.receipt]
