"""Requests and responses of the prediction API. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline.contracts.errors import ForbiddenError, HiddenModelError

__all__ = ["JSON", "Caller", "HttpRequest", "HttpResponse"]

JSON: Mapping[str, str] = MappingProxyType({"content-type": "application/json"})


class Caller(NamedTuple):
    """Who sends a request, as an authorizer or a server's configuration says.

    Attributes:
        tenant: Tenant whose models are visible.
        permissions: Granted permissions, such as ``predict`` and ``read``.
        may_use_unready: Whether versions that have not passed their smoke test respond; only the smoke test sets it.
        principal: Name of the caller within its tenant.
        models: Models that are visible; empty for all of the tenant.
        shared: Permissions on models that other tenants share with the caller's, by ``owner/model``.
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
        """Return the caller as one of the tenant that shares a model: what it may do with that model, and no other.

        Args:
            owner: Tenant that owns the model; empty for the caller's own.
            model: Name of the model.

        Raises:
            HiddenModelError: The model is not shared with the caller's tenant, or the key is for some models alone.
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
            model: Model that it is required for; None for none.

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
        path: Path without query; decoded.
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
        """Return whether the client takes a media type; without the header Accept it takes any."""
        accepted = self.headers.get("accept", "*/*")
        return accepted == "*/*" or media_type in accepted or "*/*" in accepted

    @property
    def prefers_csv(self) -> bool:
        """Return whether the client asks for CSV before JSON."""
        return self.headers.get("accept", "").lstrip().startswith("text/csv")


class HttpResponse(NamedTuple):
    """One response.

    Attributes:
        status: HTTP status.
        body: Raw bytes.
        headers: Header by name in lower case.
        facts: What may be logged about it: ``tenant``, ``model``, ``version`` and ``rows`` of a prediction.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = JSON
    facts: Mapping[str, Any] = MappingProxyType({})
