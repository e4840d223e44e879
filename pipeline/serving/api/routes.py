"""Routes of the prediction API."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from pipeline.contracts.errors import NotFoundError
from pipeline.serving.api.model_source import LIVE

__all__ = ["Action", "Route", "find_route"]

Action = Literal["infer"]
_MODEL = r"(?P<model>[A-Za-z0-9_.-]{1,32})"
_PATHS: tuple[tuple[Action, str, re.Pattern[str]], ...] = (
    ("infer", "POST", re.compile(rf"/v2/models/{_MODEL}(?:/versions/(?P<version>[0-9]{{1,6}}))?/infer$")),
)


class Route(NamedTuple):
    """What a request asks for.

    Attributes:
        action: What to do with the model.
        model: Name of the model.
        version: Number of the version; None for the one that ``alias`` points to.
        alias: Name of the alias.
    """

    action: Action
    model: str
    version: int | None
    alias: str = LIVE


def find_route(method: str, path: str) -> Route:
    """Return the route of a request. A prefix of the path, such as a custom domain's base path, is ignored.

    Raises:
        NotFoundError: No route has this path; the message is the same for names that nothing can have.
    """
    for action, route_method, pattern in _PATHS:
        if method == route_method and (match := pattern.search(path)):
            version = match["version"]
            return Route(action, match["model"], int(version) if version else None)
    raise NotFoundError("there is no such model or version: a model's name and a version's number are expected")
