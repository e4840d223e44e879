"""Port of listeners to changes: the event bus, a webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a cold start has no pydantic
    from pipeline.contracts.records.change import Change

__all__ = ["ChangeListener"]


class ChangeListener(Protocol):
    """Receives changes: the end of a run, a promotion, a rollback."""

    def tell(self, change: Change) -> None:
        """Deliver a change, at least once.

        Raises:
            TransientError: It was not delivered.
        """
        ...
