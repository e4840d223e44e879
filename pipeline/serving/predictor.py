"""What the predict function does."""

from __future__ import annotations

from typing import Any

import orjson

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.http import InferRequest
from pipeline.serving.loaded_model import InferenceResponse, LoadedModel
from pipeline.serving.model_store import ModelCache

__all__ = ["Predictor"]


class Predictor:
    """A request -> the answer of the model that it names."""

    def __init__(self, store: ModelCache) -> None:
        self._store = store

    def __call__(self, request: InferRequest) -> InferenceResponse:
        """Raise NotFoundError, ConflictError, IntegrityError for the version, InvalidRequestError for the request."""
        return self._model(request).answer(_read(request.body), ignore_extra=request.ignore_extra)

    def _model(self, request: InferRequest) -> LoadedModel:
        tenant, model, version = request.tenant, request.model, request.version
        if version is None:
            return self._store.live(tenant, model)
        return (self._store.unproven if request.unproven else self._store.ready)(tenant, model, version)


def _read(body: str | bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        words = error.msg
        if str(error.doc)[error.pos :].lstrip("-").startswith(("NaN", "Infinity")):
            words = "null is expected for a missing number, not NaN or Infinity"
        raise InvalidRequestError(
            f"the body is not JSON (line {error.lineno}, column {error.colno}): {words}"
        ) from error
