"""Respond to prediction requests, whatever carries them."""

from __future__ import annotations

from typing import Any

from pipeline.serving.api.messages import JSON, Caller, HttpRequest, HttpResponse
from pipeline.serving.api.model_source import ModelReference, ModelSource
from pipeline.serving.api.protocols.infer import infer
from pipeline.serving.api.routes import Route, find_route
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.metadata import model_metadata, server_metadata
from pipeline.serving.responses import to_json

__all__ = ["PredictionApi"]


class PredictionApi:
    """The prediction API: every protocol's routes over one source of models. Thread-safe.

    It does no I/O of its own, so that a Lambda function and a server share it: they read a request, authenticate its
    caller, call ``respond``, and turn what it raises into a response with ``errors.respond_to_error``.

    Args:
        models: Finds the model of a request.
    """

    def __init__(self, models: ModelSource) -> None:
        self._models = models

    def respond(self, request: HttpRequest, caller: Caller) -> HttpResponse:
        """Return the response to a request.

        Args:
            request: The request.
            caller: Whose models are visible, and with which permissions.

        Raises:
            ForbiddenError: The caller lacks the permission: ``predict``, for metadata ``read``.
            NotFoundError: There is no such route, or the caller's tenant has no such model or version.
            MethodNotAllowedError: The route has another method.
            ConflictError: The version has not passed its smoke test.
            IntegrityError: The model file is missing or changed.
            InvalidRequestError: The request does not match the model's signature; the message says what is wrong, and
                where.
            TooManyRowsError: There are more rows than a response can have.
        """
        route = find_route(request.method, request.path)
        if route.action == "infer":
            caller.require("predict")
            return infer(self._find(route, caller), request)
        if not route.model:
            return _respond_json(_SERVER_DOCUMENTS[route.action])
        caller.require("read")
        model = self._find(route, caller)
        if route.action == "model_ready":
            return _respond_json({"name": model.model, "ready": True})
        versions = self._models.versions(caller.tenant, model.model)
        return _respond_json(model_metadata(model.model, versions, model.signature))

    def _find(self, route: Route, caller: Caller) -> LoadedModel:
        return self._models.find(
            ModelReference(caller.tenant, route.model, route.version, route.alias, caller.may_use_unready)
        )


_SERVER_DOCUMENTS: dict[str, dict[str, Any]] = {
    "server": server_metadata(),
    "live": {"live": True},
    "ready": {"ready": True},
}


def _respond_json(document: dict[str, Any]) -> HttpResponse:
    return HttpResponse(200, to_json(document), JSON)
