"""Use case: a caller of the API moves aliases, deletes versions and cancels runs of its tenant."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from pipeline.contracts.errors import NotFoundError
from pipeline.contracts.object_keys import check_tenant, tenant_of_run
from pipeline.contracts.paging.page import MAX_LISTED
from pipeline.contracts.paging.token import PageQuery, next_token
from pipeline.contracts.record import Record
from pipeline.contracts.records.alias_move import AliasMove
from pipeline.registry.alias_history import LIVE
from pipeline.registry.aliases import ANY_VERSION, AliasRef, Expected
from pipeline.registry.audit import AuditLog
from pipeline.registry.model_registry import ModelRegistry
from pipeline.registry.tenants import SharedModels
from pipeline.serving.api.messages import Caller
from pipeline.use_cases.management.audited_calls import RegistryCall, audited, require
from pipeline.use_cases.management.cancel_run import CancelRun

__all__ = ["AliasChange", "Grant", "ManageRegistry", "Rollback"]

_FIRST_PAGE = PageQuery()

Document = dict[str, Any]
VersionNumber = Annotated[int, Field(ge=1, lt=1_000_000, strict=True)]


class AliasChange(Record):
    """Body of ``PUT /registry/models/{model}/aliases/{alias}``.

    Attributes:
        version: Version that the alias is to point to.
        reason: Reason of the move, for the history.
        expected: Version that the alias must point to before; null if it must not exist. Unchecked if omitted.
    """

    version: VersionNumber
    reason: str = ""
    expected: VersionNumber | None = None


class Rollback(Record):
    """Body of ``POST /registry/models/{model}/rollback``.

    Attributes:
        alias: Alias to roll back.
        reason: Reason of the rollback, for the history.
        expected: Version that the alias must point to before. Unchecked if omitted.
    """

    alias: str = "live"
    reason: str = ""
    expected: VersionNumber | None = None


class Grant(Record):
    """Body of ``PUT /registry/models/{model}/grants/{tenant}``.

    Attributes:
        role: Role of the other tenant's callers on the model: predictor or reader.
    """

    role: str = "predictor"


@dataclass(frozen=True, kw_only=True)
class ManageRegistry:
    """Change the registry of one tenant; each change and each denied call is in the audit log.

    Every method raises ForbiddenError without the permission (``manage`` to delete and to share, otherwise
    ``publish``), and NotFoundError for what the caller may not see.

    Attributes:
        registry: Registry, with the rights of the caller's tenant.
        cancel: Cancels runs.
        sharing: Grants of the tenant's models to others.
        audit: Audit log.
    """

    registry: ModelRegistry
    cancel: CancelRun
    sharing: SharedModels
    audit: AuditLog

    def move_alias(self, caller: Caller, model: str, alias: str, change: AliasChange) -> Document:
        """Point an alias to a version.

        Raises:
            AliasMovedError: The alias is not at the expected version.
            ConflictError: The version is archived, or not READY.
            NotFoundError: There is no such version.
            InputError: The alias's name or the reason is invalid.
        """
        with self._authorized(caller, "publish", model, "move alias", f"{model}@{change.version} {alias}"):
            expected: Expected = change.expected if "expected" in change.model_fields_set else ANY_VERSION
            move = self.registry.aliases.move(
                AliasRef(caller.tenant, model, alias),
                change.version,
                by=caller.principal,
                reason=change.reason,
                expected=expected,
            )
        if alias == LIVE:  # the run that waits for this decision may end
            promoted = self.registry.versions.record(caller.tenant, model, change.version)
            self.cancel.runs.mark_promoted(promoted.lineage.run)
        if move is None:  # the alias points to this version already
            return {"model": model, "alias": alias, "version": change.version, "previous": change.version, "at": None}
        return _move_document(model, move)

    def roll_back(self, caller: Caller, model: str, rollback: Rollback) -> Document:
        """Point an alias to its previous version again.

        Raises:
            AliasMovedError: The alias is not at the expected version.
            ConflictError: There is no previous version, or it is archived.
            NotFoundError: The alias does not exist.
        """
        with self._authorized(caller, "publish", model, "rollback", f"{model} {rollback.alias}"):
            expected: Expected = ANY_VERSION if rollback.expected is None else rollback.expected
            move = self.registry.aliases.roll_back(
                AliasRef(caller.tenant, model, rollback.alias),
                by=caller.principal,
                reason=rollback.reason,
                expected=expected,
            )
        return _move_document(model, move)

    def delete_version(self, caller: Caller, model: str, version: int) -> Document:
        """Delete a version after the grace period.

        Raises:
            ConflictError: An alias points to it.
            NotFoundError: There is no such version.
        """
        with self._authorized(caller, "manage", model, "delete", f"{model}@{version}"):
            deleted, until = self.registry.lifecycle.delete(caller.tenant, model, version, by=caller.principal)
        return {"model": model, "version": version, "status": deleted.status, "restorable_until": until.isoformat()}

    def cancel_run(self, caller: Caller, run: str) -> Document:
        """End a run and its jobs.

        Raises:
            ConflictError: The run has ended.
            NotFoundError: There is no such run.
        """
        with self._authorized(caller, "publish", None, "cancel", run):
            if tenant_of_run(run) != caller.tenant:
                raise NotFoundError("there is no such run")
            caller.require("publish", self.cancel.runs.get(run).model)
            canceled = self.cancel(run, by=caller.principal)
        return {"run": run, "status": canceled.status, "error": canceled.error and canceled.error.model_dump()}

    def share(self, caller: Caller, model: str, tenant: str, role: str | None) -> Document:
        """Grant another tenant a role on a model; None revokes it.

        Raises:
            InputError: The tenant is the caller's own, or the role cannot be granted.
            NotFoundError: There is no such model, tenant or grant.
            ConflictError: The maximum number of models is shared with the tenant already.
        """
        action = "share" if role is not None else "revoke share"
        with self._authorized(caller, "manage", model, action, f"{model} {tenant} {role or ''}".rstrip()):
            self._require_model(caller, model)
            self.sharing.share(caller.tenant, model, check_tenant(tenant), role)
        return {"model": model, "tenant": tenant, "role": role}

    def grants(self, caller: Caller, model: str, *, page: PageQuery = _FIRST_PAGE) -> Document:
        """Return a page of the tenants that a model is shared with; ``next`` is the token of the page after it.

        Raises:
            InvalidRequestError: The limit is out of range, or the token is of another list.
            NotFoundError: There is no such model.
        """
        require(self.audit, caller, RegistryCall("manage", model, "list grants", model))
        self._require_model(caller, model)
        scope = ("grants", caller.tenant, model)
        limit, after = page.parse(MAX_LISTED, *scope)
        grants = self.sharing.grants_page(caller.tenant, model, limit=limit, after=after)
        shown = [{"model": name, "tenant": tenant, "role": role} for name, tenant, role in grants.entries]
        return {"grants": shown, **next_token(grants, *scope)}

    def _require_model(self, caller: Caller, model: str) -> None:
        if self.registry.summary(caller.tenant, model) is None:
            raise NotFoundError(f"there is no model '{model}'")

    def _authorized(
        self, caller: Caller, permission: str, model: str | None, action: str, resource: str
    ) -> AbstractContextManager[None]:
        return audited(self.audit, caller, RegistryCall(permission, model, action, resource))


def _move_document(model: str, move: AliasMove) -> Document:
    return {"model": model, **move.model_dump(mode="json")}
