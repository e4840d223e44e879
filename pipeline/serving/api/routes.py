"""Routes of the prediction API."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple
from urllib.parse import unquote

from pipeline.contracts.errors import MethodNotAllowedError, NotFoundError
from pipeline.serving.api.model_source import LIVE

__all__ = ["Action", "Route", "find_route", "split_alias"]

Action = Literal[
    "server", "live", "ready", "metadata", "model_ready", "infer",
    "tf_predict", "tf_classify", "tf_regress", "tf_status", "tf_metadata", "invocations",
]  # fmt: skip
# A model's name, optionally with an alias, and optionally a version.
_MODEL = r"(?P<model>[A-Za-z0-9_.-]{1,32})(?:@(?P<alias>[A-Za-z0-9_.-]{1,32}))?"
_VERSION = r"(?:/versions/(?P<version>[0-9]{1,6}))?"
_TF_VERSION = r"(?:/versions/(?P<version>[0-9]{1,6})|/labels/(?P<label>[A-Za-z0-9_.-]{1,32}))?"
_PATHS: tuple[tuple[Action, str, re.Pattern[str]], ...] = (
    ("infer", "POST", re.compile(rf"/v2/models/{_MODEL}{_VERSION}/infer$")),
    ("metadata", "GET", re.compile(rf"/v2/models/{_MODEL}{_VERSION}$")),
    ("model_ready", "GET", re.compile(rf"/v2/models/{_MODEL}{_VERSION}/ready$")),
    ("tf_predict", "POST", re.compile(rf"/v1/models/{_MODEL}{_TF_VERSION}:predict$")),
    ("tf_classify", "POST", re.compile(rf"/v1/models/{_MODEL}{_TF_VERSION}:classify$")),
    ("tf_regress", "POST", re.compile(rf"/v1/models/{_MODEL}{_TF_VERSION}:regress$")),
    ("invocations", "POST", re.compile(rf"/v1/models/{_MODEL}{_TF_VERSION}/invocations$")),
    ("tf_status", "GET", re.compile(rf"/v1/models/{_MODEL}{_TF_VERSION}$")),
    ("tf_metadata", "GET", re.compile(rf"/v1/models/{_MODEL}{_TF_VERSION}/metadata$")),
    ("server", "GET", re.compile(r"/v2/?$")),
    ("live", "GET", re.compile(r"/v2/health/live$")),
    ("ready", "GET", re.compile(r"/v2/health/ready$")),
)


class Route(NamedTuple):
    """What a request asks for.

    Attributes:
        action: What to do.
        model: Name of the model; empty if the route has none.
        version: Number of the version; None for the one that ``alias`` points to.
        alias: Name of the alias.
    """

    action: Action
    model: str = ""
    version: int | None = None
    alias: str = LIVE


def find_route(method: str, path: str) -> Route:
    """Return the route of a request. A prefix of the path, such as a custom domain's base path, is ignored.

    Raises:
        NotFoundError: No route has this path; the message is the same for names that nothing can have.
        MethodNotAllowedError: The route has another method.
    """
    if "%" in path:
        path = unquote(path)
    methods = []
    for action, route_method, pattern in _PATHS:
        if match := pattern.search(path):
            if method == route_method:
                return _make_route(action, match.groupdict())
            methods.append(route_method)
    if methods:
        raise MethodNotAllowedError(f"this route has the method {' and '.join(methods)}, not {method[:16]}")
    raise NotFoundError("there is no such model or version: a model's name and a version's number are expected")


def split_alias(name: str) -> tuple[str, str]:
    """Return the model and the alias of ``model@alias``; the alias of a name alone is ``live``."""
    model, _, alias = name.partition("@")
    return model, alias or LIVE


def _make_route(action: Action, names: dict[str, str | None]) -> Route:
    version, label, alias = names.get("version"), names.get("label"), names.get("alias")
    if alias and (version or label):
        raise NotFoundError("a version or an alias is expected, not both")
    alias = alias or label
    return Route(action, names.get("model") or "", int(version) if version else None, alias or LIVE)
