"""Query parameters of every prediction route."""

from __future__ import annotations

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.api.messages import HttpRequest

__all__ = ["ignores_extra"]


def ignores_extra(request: HttpRequest) -> bool:
    """Return whether the query parameter ``extra`` says to ignore unknown columns.

    Raises:
        InvalidRequestError: ``extra`` is neither ``ignore`` nor ``refuse``.
    """
    policy = request.query.get("extra", "refuse")
    if policy not in ("ignore", "refuse"):
        raise InvalidRequestError("extra: 'ignore' or 'refuse' is expected")
    return policy == "ignore"
