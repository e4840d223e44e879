"""Requests and responses of the prediction API. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline.contracts.errors import ForbiddenError, HiddenModelError

__all__ = ["JSON", "Caller", "HttpRequest", "HttpResponse"]

JSON: Mapping[str, str] = MappingProxyType({"content-type": "application/json"})


class Caller(NamedTuple):
    """The sender of a request, according to an authorizer or a server's configuration.

    Attributes:
        tenant: Tenant whose models are visible.
        permissions: Granted permissions, such as ``predict`` and ``read``.
        may_use_unready: Whether versions that have not passed their smoke test respond; only the smoke test sets it.
        principal: Name of the caller within its tenant.
        models: Models that are visible; empty for all models of the tenant.
        shared: Permissions on models that other tenants share with the caller's tenant, by ``owner/model``.
    """

    tenant: str
    permissions: frozenset[str] = frozenset({"predict", "read"})
    may_use_unready: bool = False
    principal: str = ""
    models: frozenset[str] = frozenset()
    shared: Mapping[str, frozenset[str]] = MappingProxyType({})

    def may_see(self, model: str) -> bool:
        """Return whether a model of the tenant is visible."""
        return not self.models or model in self.models

    def for_owner(self, owner: str, model: str) -> Caller:
        """Return a caller of the tenant ``owner``, limited to the shared model and to the permissions granted on it.

        For its own tenant, the caller is returned unchanged.

        Args:
            owner: Tenant that owns the model; empty for the caller's own.
            model: Name of the model.

        Raises:
            HiddenModelError: The model is not shared with the caller's tenant, or the credential is limited to some
                models.
        """
        if owner in ("", self.tenant):
            return self
        granted = self.shared.get(f"{owner}/{model}")
        if granted is None or self.models:
            raise HiddenModelError(f"there is no model '{model}' that is shared with you")
        return self._replace(tenant=owner, permissions=self.permissions & granted, models=frozenset({model}))

    def require(self, permission: str, model: str | None = None) -> None:
        """Check a permission.

        Args:
            permission: Required permission.
            model: Model that the permission is required for; None if the request is about no particular model.

        Raises:
            HiddenModelError: The caller may not see the model.
            ForbiddenError: The caller lacks the permission.
        """
        if model is not None and not self.may_see(model):
            raise HiddenModelError(f"there is no model '{model}'")
        if permission not in self.permissions:
            raise ForbiddenError(f"this API key may not do this: one with the permission '{permission}' is expected")


class HttpRequest(NamedTuple):
    """One request.

    Attributes:
        method: Method in upper case.
        path: Decoded path without the query.
        body: Raw bytes, empty if there is none.
        headers: Header by name in lower case.
        query: Query parameter by name; the last value of a repeated one.
    """

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})
    query: Mapping[str, str] = MappingProxyType({})

    def accepts(self, media_type: str) -> bool:
        """Return whether the client accepts a media type; without the header Accept it accepts any."""
        accepted = self.headers.get("accept", "*/*")
        return accepted == "*/*" or media_type in accepted or "*/*" in accepted

    @property
    def prefers_csv(self) -> bool:
        """Return whether CSV comes first in the header Accept."""
        return self.headers.get("accept", "").lstrip().startswith("text/csv")


class HttpResponse(NamedTuple):
    """One response.

    Attributes:
        status: HTTP status.
        body: Raw bytes.
        headers: Header by name in lower case.
        facts: Facts for logs and metrics: ``tenant``, ``model``, ``version`` and ``rows`` of a prediction.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = JSON
    facts: Mapping[str, Any] = MappingProxyType({})
