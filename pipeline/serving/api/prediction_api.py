"""Respond to prediction requests, whatever carries them."""

from __future__ import annotations

from typing import Any

import orjson

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.api.messages import Caller, HttpRequest, HttpResponse
from pipeline.serving.api.model_source import ModelReference, ModelSource
from pipeline.serving.api.routes import find_route

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
            ForbiddenError: The caller may not predict.
            NotFoundError: There is no such route, or the caller's tenant has no such model or version.
            ConflictError: The version has not passed its smoke test.
            IntegrityError: The model file is missing or changed.
            InvalidRequestError: The request does not match the model's signature; the message says what is wrong, and
                where.
        """
        caller.require("predict")
        route = find_route(request.method, request.path)
        ignore_extra = _ignores_extra(request)
        if not request.body:
            raise InvalidRequestError('the body is empty: JSON with "rows" or "inputs" is expected')
        model = self._models.find(
            ModelReference(caller.tenant, route.model, route.version, route.alias, caller.may_use_unready)
        )
        inference = model.predict(_parse_json(request.body), ignore_extra=ignore_extra)
        facts = {"tenant": caller.tenant, "model": model.model, "version": model.version, "rows": inference.rows}
        return HttpResponse(200, inference.body, facts=facts)


def _ignores_extra(request: HttpRequest) -> bool:
    policy = request.query.get("extra", "refuse")
    if policy not in ("ignore", "refuse"):
        raise InvalidRequestError("extra: 'ignore' or 'refuse' is expected")
    return policy == "ignore"


def _parse_json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        problem = error.msg
        if str(error.doc)[error.pos :].lstrip("-").startswith(("NaN", "Infinity")):
            problem = "null is expected for a missing number, not NaN or Infinity"
        raise InvalidRequestError(
            f"the body is not JSON (line {error.lineno}, column {error.colno}): {problem}"
        ) from error
