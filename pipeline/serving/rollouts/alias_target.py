"""What an alias points to: a version, and for ``live`` perhaps a rollout of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

__all__ = ["ActiveRollout", "AliasTarget", "read_alias"]


class ActiveRollout(NamedTuple):
    """A rollout as serving sees it.

    Attributes:
        id: Names its counters, and seeds the assignment of requests.
        version: Number of the new version.
        mode: ``canary``: it responds to its share of the requests; ``shadow``: its predictions are compared only.
        percent: Its share of the requests.
    """

    id: str
    version: int
    mode: Literal["canary", "shadow"]
    percent: float


class AliasTarget(NamedTuple):
    """What an alias points to.

    Attributes:
        version: Number of the version.
        rollout: Rollout of another version beside it; None if there is none.
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
