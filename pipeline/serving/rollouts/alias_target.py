"""Target of an alias: a version and, for ``live``, possibly the rollout of another version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

__all__ = ["ActiveRollout", "AliasTarget", "read_alias"]


class ActiveRollout(NamedTuple):
    """A running rollout of a new version.

    Attributes:
        id: Key of the rollout's counters, and seed of the assignment of requests.
        version: Number of the new version.
        mode: ``canary``: the new version responds to ``percent`` of the requests; ``shadow``: the live version does,
            and the new version's predictions for these requests are only compared.
        percent: Percentage of the requests that the new version gets.
    """

    id: str
    version: int
    mode: Literal["canary", "shadow"]
    percent: float


class AliasTarget(NamedTuple):
    """Target of an alias.

    Attributes:
        version: Number of the version.
        rollout: Running rollout of another version; None if there is none.
    """

    version: int
    rollout: ActiveRollout | None = None


def read_alias(item: Mapping[str, Any]) -> AliasTarget:
    """Read the item of an alias."""
    rollout = item.get("rollout")
    if rollout is None:
        return AliasTarget(item["version"])
    active = ActiveRollout(rollout["id"], rollout["version"], rollout["mode"], rollout["percent"])
    return AliasTarget(item["version"], active)
