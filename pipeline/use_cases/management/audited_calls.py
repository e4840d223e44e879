"""Parse, authorize and audit calls that change the registry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from pipeline.contracts.errors import ForbiddenError, HiddenModelError, InvalidRequestError
from pipeline.contracts.record import Record
from pipeline.registry.audit import AuditLog
from pipeline.serving.api.messages import Caller

__all__ = ["RegistryCall", "audited", "parse_body", "require"]

_T = TypeVar("_T", bound=Record)


def parse_body(kind: type[_T], body: str) -> _T:
    """Parse the JSON body of a call.

    Args:
        kind: Class of the body.
        body: JSON text; empty for a body without fields.

    Raises:
        InvalidRequestError: The body is not a ``kind``; the message names the field.
    """
    try:
        return kind.model_validate_json(body or "{}")
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, fault["loc"])) or "the body"
        raise InvalidRequestError(f"{field}: {fault['msg'].lower()}") from error


class RegistryCall(NamedTuple):
    """A call that changes something.

    Attributes:
        permission: Required permission.
        model: Model that the permission must cover; None if the call is not about one model.
        action: Name of the call in the audit log.
        resource: What the call changes, for the audit log.
    """

    permission: str
    model: str | None
    action: str
    resource: str


def require(audit: AuditLog, caller: Caller, call: RegistryCall) -> None:
    """Check the permission of a call that changes nothing, and log a denial.

    Raises:
        HiddenModelError: The caller may not see the model.
        ForbiddenError: The caller lacks the permission.
    """
    try:
        caller.require(call.permission, call.model)
    except (ForbiddenError, HiddenModelError) as error:
        who = (caller.tenant, caller.principal)
        audit.add(call.action, call.resource, caller=who, outcome="denied", reason=type(error).__name__)
        raise


@contextmanager
def audited(audit: AuditLog, caller: Caller, call: RegistryCall) -> Iterator[None]:
    """Check a call's permission and run the block; log the change in its own transaction, or log the denial.

    Raises:
        HiddenModelError: The caller may not see the model.
        ForbiddenError: The caller lacks the permission.
    """
    who = (caller.tenant, caller.principal)
    require(audit, caller, call)
    try:
        with audit.record_change(call.action, call.resource, caller=who):
            yield
    except (ForbiddenError, HiddenModelError) as error:  # raised by the block
        audit.add(call.action, call.resource, caller=who, outcome="denied", reason=type(error).__name__)
        raise
