"""A table on which another writer is first. moto does not support threads, so one thread simulates the race."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.contracts.ports import Table, TableWrite

__all__ = ["OvertakenTable"]


class OvertakenTable:
    """Calls ``overtake`` once, between a caller's read and its first transaction."""

    def __init__(self, table: Table, overtake: Callable[[], object]) -> None:
        self._table = table
        self._overtake: list[Callable[[], object]] = [overtake]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def write_all(self, writes: Sequence[TableWrite]) -> bool:
        while self._overtake:
            self._overtake.pop()()
        return self._table.write_all(writes)
