"""Respond to prediction requests, in a Lambda function or in a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pipeline.serving.api.assignment import Position, request_position
from pipeline.serving.api.messages import JSON, Caller, HttpRequest, HttpResponse
from pipeline.serving.api.model_source import ModelReference, ModelSource
from pipeline.serving.api.protocols.infer import infer
from pipeline.serving.api.routes import Action, Route, find_route
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.metadata import server_metadata
from pipeline.serving.responses import to_json

__all__ = ["PredictionApi"]

_PROBES: tuple[Action, ...] = ("live", "ready")  # health checks, to which a server responds without an API key


class PredictionApi:
    """The prediction API: the routes of all protocols, for the models of one source. Thread-safe.

    It does no I/O itself, so that a Lambda function and a server can share it: they read a request, authenticate its
    caller, call ``respond``, and turn errors into responses with ``errors.respond_to_error``.

    Args:
        models: Finds the model of a request.
        max_body_bytes: Maximum size of a compressed body after decompression.
    """

    def __init__(self, models: ModelSource, *, max_body_bytes: int = 64 << 20) -> None:
        self._models = models
        self._max_body_bytes = max_body_bytes

    def respond(self, request: HttpRequest, caller: Caller) -> HttpResponse:
        """Return the response to a request.

        Args:
            request: The request.
            caller: Sender of the request, with its tenant and permissions.

        Raises:
            ForbiddenError: The caller lacks the permission ``predict``, or ``read`` for metadata.
            NotFoundError: There is no such route, or the caller's tenant has no such model or version.
            MethodNotAllowedError: The route has another method.
            ConflictError: The version has not passed its smoke test.
            IntegrityError: The model file is missing or changed.
            InvalidRequestError: The request does not match the model's signature; the message says what is wrong, and
                where.
            TooManyRowsError: There are more rows than a response can have.
            BodyTooLargeError: The body is too large after decompression.
            UnsupportedMediaTypeError: The content type or the encoding of the body is not supported.
        """
        route = find_route(request.method, request.path)
        caller = caller.for_owner(route.owner, route.model)
        predict = _PREDICTIONS.get(route.action)
        if predict is not None:
            caller.require("predict", route.model)
            if "content-encoding" in request.headers:
                request = _decompress(request, self._max_body_bytes)
            model = self._find(route, caller, partial(_position, caller, request))
            if model.observer is None:
                return predict(model, request)
            return model.respond(lambda measured: predict(measured, request))
        if route.action == "openapi":
            return _respond_json(_describe_api())
        if not route.model:
            return _respond_json(_SERVER_DOCUMENTS[route.action])
        caller.require("read", route.model)
        model = self._find(route, caller)
        if route.action == "metadata":
            document = model.metadata(self._models.versions(caller.tenant, model.model))
        elif route.action == "model_openapi":
            document = _describe_api(model, route.owner)
        else:
            document = _MODEL_DOCUMENTS[route.action](model)
        return _respond_json(document)

    def _find(self, route: Route, caller: Caller, position: Position | None = None) -> LoadedModel:
        return self._models.find(
            ModelReference(caller.tenant, route.model, route.version, route.alias, caller.may_use_unready, position)
        )


def _position(caller: Caller, request: HttpRequest, seed: str) -> float:
    return request_position(caller.tenant, caller.principal, request.headers.get, request.body)(seed)


def _describe_api(model: LoadedModel | None = None, owner: str = "") -> dict[str, Any]:
    from pipeline.serving.api.openapi import openapi_document  # noqa: PLC0415 - a cold start rarely needs it

    if model is None:
        return openapi_document(without_key=_PROBES)
    return openapi_document(model.model, model.signature, owner=owner, without_key=_PROBES)


def _tensorflow(function: str) -> Callable[..., Any]:
    """Return a function of TensorFlow Serving's protocol that imports its module only when it is called."""

    def call(*arguments: Any) -> Any:
        from pipeline.serving.api.protocols import tensorflow_serving  # noqa: PLC0415 - a cold start rarely needs it

        return getattr(tensorflow_serving, function)(*arguments)

    return call


def _decompress(request: HttpRequest, max_bytes: int) -> HttpRequest:
    from pipeline.serving.api.content_encodings import decompress_body  # noqa: PLC0415 - a cold start rarely needs it

    return decompress_body(request, max_bytes)


def _score(model: LoadedModel, request: HttpRequest) -> HttpResponse:
    from pipeline.serving.api.protocols.mlflow import score  # noqa: PLC0415 - a cold start rarely needs it

    return score(model, request)


_PREDICTIONS: Mapping[Action, Callable[[LoadedModel, HttpRequest], HttpResponse]] = {
    "infer": infer,
    "tf_predict": _tensorflow("predict"),
    "tf_classify": _tensorflow("classify"),
    "tf_regress": _tensorflow("regress"),
    "invocations": _score,
}
_MODEL_DOCUMENTS: Mapping[Action, Callable[[LoadedModel], dict[str, Any]]] = {
    "model_ready": lambda model: {"name": model.model, "ready": True},
    "tf_status": _tensorflow("describe_status"),
    "tf_metadata": _tensorflow("describe_signature"),
}
_SERVER_DOCUMENTS: Mapping[Action, dict[str, Any]] = {
    "server": server_metadata(),
    "live": {"live": True},
    "ready": {"ready": True},
}


def _respond_json(document: dict[str, Any]) -> HttpResponse:
    return HttpResponse(200, to_json(document), JSON)
