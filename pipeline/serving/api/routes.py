"""Routes of the prediction API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Literal, NamedTuple
from urllib.parse import unquote

from pipeline.contracts.errors import MethodNotAllowedError, NotFoundError
from pipeline.serving.api.model_source import LIVE

__all__ = ["PATTERNS", "ROUTES", "Action", "Route", "find_route", "split_alias"]

Action = Literal[
    "openapi", "model_openapi", "server", "live", "ready", "metadata", "model_ready", "infer",
    "tf_predict", "tf_classify", "tf_regress", "tf_status", "tf_metadata", "invocations",
]  # fmt: skip
_TARGETS = ("/versions/{version}", "/labels/{label}")
_ROUTES: tuple[
    tuple[Action, str, str, tuple[str, ...]], ...
] = (  # action, method, template, optional values of {target}
    ("infer", "POST", "/v2/models/{model}{target}/infer", _TARGETS[:1]),
    ("tf_predict", "POST", "/v1/models/{model}{target}:predict", _TARGETS),
    ("tf_classify", "POST", "/v1/models/{model}{target}:classify", _TARGETS),
    ("tf_regress", "POST", "/v1/models/{model}{target}:regress", _TARGETS),
    ("invocations", "POST", "/v1/models/{model}{target}/invocations", _TARGETS),
    ("metadata", "GET", "/v2/models/{model}{target}", _TARGETS[:1]),
    ("model_ready", "GET", "/v2/models/{model}{target}/ready", _TARGETS[:1]),
    ("tf_status", "GET", "/v1/models/{model}{target}", _TARGETS),
    ("tf_metadata", "GET", "/v1/models/{model}{target}/metadata", _TARGETS),
    ("server", "GET", "/v2", ()),
    ("live", "GET", "/v2/health/live", ()),
    ("ready", "GET", "/v2/health/ready", ()),
    ("model_openapi", "GET", "/v2/models/{model}/openapi.json", ()),
    ("openapi", "GET", "/openapi.json", ()),
)
ROUTES: tuple[tuple[Action, str, str], ...] = tuple(
    (action, method, template.replace("{target}", target))
    for action, method, template, targets in _ROUTES
    for target in ("", *targets)
)
PATTERNS: Mapping[str, str] = {  # name between braces in a template -> regular expression
    "model": "[A-Za-z0-9_.-]{1,32}(?:@[A-Za-z0-9_.-]{1,32})?",
    "version": "[0-9]{1,6}",
    "label": "[A-Za-z0-9_.-]{1,32}",
}

_MAX_REMEMBERED = 512  # characters of a cached path; a client could fill the memory with longer paths
# A model that another tenant shares has the path /v2/models/{owner}/{model}. In /v2/models/{model}/infer, "infer" is
# not such a model: a word that may follow a model's name is never the name of a shared model.
_FOLLOWING = r"(?:infer|ready|versions|labels|metadata|invocations|openapi\.json)(?:/|$)"
_OWNER = rf"(?:(?P<owner>[a-z0-9-]{{1,32}})/(?!{_FOLLOWING}))?"


@cache
def _compile(template: str) -> re.Pattern[str]:
    """Return the compiled pattern of a template; compiling all at the import would take 5 ms of a cold start."""
    for name, pattern in PATTERNS.items():
        owner = _OWNER if name == "model" else ""
        template = template.replace(f"{{{name}}}", f"{owner}(?P<{name}>{pattern})")
    return re.compile(template + "/?$")


class Route(NamedTuple):
    """Action and model of a request.

    Attributes:
        action: Operation to execute.
        model: Name of the model; empty if the route has none.
        version: Number of the version; None for the one that ``alias`` points to.
        alias: Name of the alias.
        owner: Tenant that shares the model; empty for the caller's own.
    """

    action: Action
    model: str = ""
    version: int | None = None
    alias: str = LIVE
    owner: str = ""


def find_route(method: str, path: str) -> Route:
    """Return the route of a request. A prefix of the path, such as a custom domain's base path, is ignored.

    Raises:
        NotFoundError: No route has this path, or a name in the path is invalid.
        MethodNotAllowedError: The route has another method.
    """
    return _remember_route(method, path) if len(path) <= _MAX_REMEMBERED else _match_route(method, path)


def _match_route(method: str, path: str) -> Route:
    if "%" in path:
        path = unquote(path)
    methods = []
    for action, route_method, template in ROUTES:
        if match := _compile(template).search(path):
            if method == route_method:
                return _make_route(action, match.groupdict())
            methods.append(route_method)
    if methods:
        raise MethodNotAllowedError(f"this route has the method {' and '.join(methods)}, not {method[:16]}")
    raise NotFoundError("there is no such model or version: a model's name and a version's number are expected")


_remember_route = lru_cache(maxsize=1_024)(_match_route)


def split_alias(name: str) -> tuple[str, str]:
    """Return the model and the alias of ``model@alias``; the default alias is ``live``."""
    model, _, alias = name.partition("@")
    return model, alias or LIVE


def _make_route(action: Action, names: dict[str, str | None]) -> Route:
    model, alias = split_alias(names.get("model") or "")
    version, label = names.get("version"), names.get("label")
    if alias != LIVE and (version or label):
        raise NotFoundError("a version or an alias is expected, not both")
    return Route(action, model, int(version) if version else None, label or alias, names.get("owner") or "")
