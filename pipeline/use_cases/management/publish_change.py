"""Use case: notify subscribers of the end of a run, a promotion or a rollback."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.contracts.errors import TransientError
from pipeline.contracts.ports import ChangeListener
from pipeline.contracts.records.change import Change
from pipeline.registry.audit import AuditLog

__all__ = ["PublishChange"]


@dataclass(frozen=True, kw_only=True)
class PublishChange:
    """Put a change on the event bus, and send it to the webhook if there is one.

    Attributes:
        events: The event bus.
        webhook: The webhook; None without one.
        audit: Audit log, which records failures of the webhook.
    """

    events: ChangeListener
    webhook: ChangeListener | None
    audit: AuditLog

    def __call__(self, change: Change) -> None:
        """Publish a change. A failure of the webhook is recorded in the audit log and is not raised.

        Raises:
            TransientError: The event bus did not accept the change.
        """
        self.events.notify(change)
        if self.webhook is None:
            return
        try:
            self.webhook.notify(change)
        except TransientError as error:
            who = (change.tenant, "webhook")
            resource = str(change.detail.get("run") or change.detail.get("model"))
            self.audit.add(f"webhook: {change.kind}", resource, caller=who, outcome="denied", reason=error.message)
