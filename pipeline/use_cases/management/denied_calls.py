"""Calls of the API that were denied, in the audit log. Standard library only: predict imports it on a cold start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.contracts.errors import ForbiddenError, HiddenModelError, ModeldropError
from pipeline.serving.http import find_caller

if TYPE_CHECKING:
    from pipeline.registry.audit import AuditLog

__all__ = ["DeniedCalls"]


class DeniedCalls:
    """Logs the denied calls of a function that changes nothing.

    Args:
        make_audit: Makes the audit log, when a call is denied for the first time.
    """

    def __init__(self, make_audit: Callable[[], AuditLog]) -> None:
        self._make_audit = make_audit
        self._audit: AuditLog | None = None

    @contextmanager
    def logged(self, event: Mapping[str, Any]) -> Iterator[None]:
        """Run the block; log the call if it raises ForbiddenError or HiddenModelError, and raise the error again.

        Args:
            event: API Gateway's event.
        """
        try:
            yield
        except (ForbiddenError, HiddenModelError) as error:
            try:
                self._add(event, type(error).__name__)
            except ModeldropError as failure:
                import logging  # noqa: PLC0415 - no other request needs it

                log = logging.getLogger(__name__)
                log.warning("a denied call was not recorded in the audit log", extra={"error": type(failure).__name__})
            raise

    def _add(self, event: Mapping[str, Any], reason: str) -> None:
        caller = find_caller(event)
        if self._audit is None:
            self._audit = self._make_audit()
        who = (caller.tenant, caller.principal)
        action = f"{event['httpMethod']} {event['resource']}"
        self._audit.add(action, event["path"], caller=who, outcome="denied", reason=reason)
