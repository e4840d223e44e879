"""The model repository extension over HTTP: ``POST /v2/repository/index``, ``.../models/{model}/load`` and ``unload``.

References:
    Triton Inference Server, "Model Repository Extension",
    https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from pipeline.contracts.errors import InvalidRequestError, MethodNotAllowedError, NotFoundError
from pipeline.server.repository import ModelRepository
from pipeline.serving.api.json_bodies import parse_json
from pipeline.serving.api.messages import JSON, Caller, HttpRequest, HttpResponse

__all__ = ["REPOSITORY_PREFIX", "RepositoryApi", "list_repository"]

REPOSITORY_PREFIX = "/v2/repository/"
_CHANGE = re.compile(r"/v2/repository/models/([A-Za-z0-9_.-]{1,32})/(load|unload)")


def list_repository(models: ModelRepository, caller: Caller, *, only_ready: bool) -> list[dict[str, str]]:
    """Return the name, version and state of each model that a caller may see.

    Raises:
        ForbiddenError: The caller lacks the permission ``read``.
    """
    caller.require("read")
    index = []
    for name in filter(caller.may_see, models.all_names(caller.tenant)):
        version = models.live_version(caller.tenant, name)
        if version is not None:
            index.append({"name": name, "version": str(version), "state": "READY"})
        elif not only_ready:
            index.append({"name": name, "state": "UNAVAILABLE", "reason": "unloaded"})
    return index


class RepositoryApi:
    """Lists, loads and unloads models.

    Args:
        models: The models.
    """

    def __init__(self, models: ModelRepository) -> None:
        self._models = models

    def respond(self, request: HttpRequest, caller: Caller) -> HttpResponse:
        """Return the response to a request below ``/v2/repository/``.

        Raises:
            MethodNotAllowedError: The method is not POST.
            NotFoundError: There is no such route or model.
            ForbiddenError: The caller lacks the permission ``read``, or ``publish`` to load or unload a model.
            InvalidRequestError: The body is not a JSON object.
        """
        if request.method != "POST":
            raise MethodNotAllowedError(f"this route has the method POST, not {request.method[:16]}")
        body: Any = parse_json(request.body) if request.body else {}
        if type(body) is not dict:
            raise InvalidRequestError("a JSON object is expected")
        if request.path == f"{REPOSITORY_PREFIX}index":
            index = list_repository(self._models, caller, only_ready=body.get("ready") is True)
            return HttpResponse(200, orjson.dumps(index), JSON)
        match = _CHANGE.fullmatch(request.path)
        if match is None:
            raise NotFoundError("there is no such route: index, or load or unload of a model is expected")
        model, change = match.groups()
        caller.require("publish", model)
        (self._models.load if change == "load" else self._models.unload)(caller.tenant, model)
        return HttpResponse(200, b"{}", JSON)
