"""Storage of the registry, and retries of contested writes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.errors import TransientError
from pipeline.contracts.ports import Item, ObjectStore, Table

__all__ = ["RegistryStore", "make_item"]

_MAX_ATTEMPTS = 64  # in each round at least one of the competing writers wins
_MAX_PAUSE = 0.1  # seconds
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RegistryStore:
    """Storage of a registry.

    Attributes:
        table: Table of the registry.
        artifacts: Bucket of the registry's files.
        now: Returns the current time, UTC.
        sleep: Sleeps for a number of seconds, between attempts.
    """

    table: Table
    artifacts: ObjectStore
    now: Clock = utc_now
    sleep: Callable[[float], None] = time.sleep

    def retry(self, attempt: Callable[[], _T | None]) -> _T:
        """Call ``attempt`` until it succeeds.

        Args:
            attempt: Reads and writes conditionally; returns None or False if another writer was first.

        Raises:
            TransientError: Another writer was first in every attempt.
        """
        for number in range(_MAX_ATTEMPTS):
            if result := attempt():
                return result
            self.sleep(random.uniform(0, _MAX_PAUSE * min(number, 10) / 10))  # noqa: S311 - jitter only
        raise TransientError(f"the registry is busy: another writer was first in {_MAX_ATTEMPTS} attempts")


def make_item(key: tuple[str, str], **values: object) -> Item:
    """Return an item with a key."""
    return {"pk": key[0], "sk": key[1], **values}
