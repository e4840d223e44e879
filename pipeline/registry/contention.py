"""Conditional writes: how an item is made, and how a contested write is retried."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from pipeline.contracts.errors import TransientError
from pipeline.contracts.ports import Item

__all__ = ["make_item", "retry_on_conflict"]

_MAX_ATTEMPTS = 64  # in each round at least one of the competing writers wins
_MAX_PAUSE = 0.1  # seconds
_T = TypeVar("_T")


def retry_on_conflict(attempt: Callable[[], _T | None], pause: Callable[[float], None]) -> _T:
    """Call ``attempt`` until no other writer is first.

    Args:
        attempt: Reads and writes conditionally; returns None or False if another writer was first.
        pause: Waits so many seconds.

    Raises:
        TransientError: Another writer was first in every attempt.
    """
    for number in range(_MAX_ATTEMPTS):
        if result := attempt():
            return result
        pause(random.uniform(0, _MAX_PAUSE * min(number, 10) / 10))  # noqa: S311 - jitter only
    raise TransientError(f"the registry is busy: another writer was first in {_MAX_ATTEMPTS} attempts")


def make_item(key: tuple[str, str], **values: object) -> Item:
    """Return an item with a key."""
    return {"pk": key[0], "sk": key[1], **values}
