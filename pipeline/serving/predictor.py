"""Handle prediction requests."""

from __future__ import annotations

from typing import Any

import orjson

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.http import InferRequest
from pipeline.serving.loaded_model import InferenceResponse, LoadedModel
from pipeline.serving.model_cache import ModelCache

__all__ = ["Predictor"]


class Predictor:
    """Predicts with the model that a request names."""

    def __init__(self, cache: ModelCache) -> None:
        self._cache = cache

    def __call__(self, request: InferRequest) -> InferenceResponse:
        """Predict the rows of a request.

        Raises:
            NotFoundError: The tenant has no such version.
            ConflictError: The version has not passed its smoke test.
            IntegrityError: The model file is missing or changed.
            InvalidRequestError: The body does not match the model's signature.
        """
        return self._model(request).predict(_parse_body(request.body), ignore_extra=request.ignore_extra)

    def _model(self, request: InferRequest) -> LoadedModel:
        tenant, model, version = request.tenant, request.model, request.version
        if version is None:
            return self._cache.live(tenant, model)
        return (self._cache.load_unready if request.allow_unready else self._cache.ready)(tenant, model, version)


def _parse_body(body: str | bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        words = error.msg
        if str(error.doc)[error.pos :].lstrip("-").startswith(("NaN", "Infinity")):
            words = "null is expected for a missing number, not NaN or Infinity"
        raise InvalidRequestError(
            f"the body is not JSON (line {error.lineno}, column {error.colno}): {words}"
        ) from error
