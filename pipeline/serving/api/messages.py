"""Requests and responses of the prediction API. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline.contracts.errors import ForbiddenError, NotFoundError

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
    """

    tenant: str
    permissions: frozenset[str] = frozenset({"predict", "read"})
    may_use_unready: bool = False
    principal: str = ""
    models: frozenset[str] = frozenset()

    def may_see(self, model: str) -> bool:
        """Return whether a model of the tenant is visible."""
        return not self.models or model in self.models

    def require(self, permission: str, model: str | None = None) -> None:
        """Check a permission.

        Args:
            permission: Required permission.
            model: Model that it is required for; None for none.

        Raises:
            NotFoundError: The caller may not see the model.
            ForbiddenError: The caller lacks the permission.
        """
        if model is not None and not self.may_see(model):
            raise NotFoundError(f"there is no model '{model}'")
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
        """Whether the client asks for CSV before JSON."""
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
