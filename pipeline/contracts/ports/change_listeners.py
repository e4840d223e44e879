"""Port of listeners to changes: the event bus, a webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # not imported at run time: a cold start should not load pydantic
    from pipeline.contracts.records.change import Change

__all__ = ["ChangeListener"]


class ChangeListener(Protocol):
    """Receives changes: the end of a run, a promotion, a rollback."""

    def notify(self, change: Change) -> None:
        """Deliver a change, at least once.

        Raises:
            TransientError: The change was not delivered.
        """
        ...
