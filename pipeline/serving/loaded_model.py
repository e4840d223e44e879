"""A loaded version, which predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Signature
from pipeline.serving.cells.errors import json_type
from pipeline.serving.request_decoder import Feeds, RequestDecoder
from pipeline.serving.responses import (
    format_predictions,
    format_target_predictions,
    format_tensors,
    max_response_rows,
    select_outputs,
    to_json,
)
from pipeline.serving.row_format import decode_rows
from pipeline.serving.tensors import TensorDecoder

__all__ = ["InferenceResponse", "InferenceSession", "LoadedModel"]


class InferenceSession(Protocol):
    """An onnxruntime.InferenceSession."""

    def run(self, output_names: Sequence[str] | None, input_feed: Feeds) -> list[NDArray[Any]]:
        """Run the graph.

        Args:
            output_names: Outputs to compute; None for all.
            input_feed: One array per input.
        """
        ...


class InferenceResponse(NamedTuple):
    """Response to a prediction request.

    Attributes:
        model: Name of the model.
        version: Number of the version.
        rows: Number of predictions.
        body: JSON.
    """

    model: str
    version: int
    rows: int
    body: bytes


class LoadedModel:
    """A version with its session. Thread-safe.

    Args:
        tenant: Tenant of the model.
        model: Name of the model.
        version: Number of the version.
        signature: Columns and outputs of the model.
        session: Runs the graph.
        file_bytes: Size of the model file.
    """

    def __init__(  # noqa: PLR0913 - what a version consists of, each by its name
        self,
        *,
        tenant: str,
        model: str,
        version: int,
        signature: Signature,
        session: InferenceSession,
        file_bytes: int = 0,
    ) -> None:
        self.tenant = tenant
        self.model = model
        self.version = version
        self.signature = signature
        self.session = session
        self.file_bytes = file_bytes
        self._columns = RequestDecoder(signature, max_response_rows(signature))
        self._decode_tensors = TensorDecoder(self._columns)
        self._outputs = list(signature.outputs)
        self._quantiles = signature.quantile_names

    def predict(self, document: Any, *, ignore_extra: bool = False) -> InferenceResponse:
        """Predict the rows of a request.

        Args:
            document: Parsed JSON: ``{"rows"}``, or ``{"inputs"}`` of the Open Inference Protocol.
            ignore_extra: Ignore columns that the model does not read.

        Raises:
            InvalidRequestError: The request does not match the signature; the message says what is wrong, and where.
        """
        if type(document) is not dict:
            raise InvalidRequestError(f'an object with "rows" or "inputs" is expected, not {json_type(document)}')
        if ("rows" in document) == ("inputs" in document):
            problem = "both are there" if "rows" in document else "neither is there"
            raise InvalidRequestError(f'either "rows" or "inputs" is expected, {problem}')
        predict_document = self._predict_rows if "rows" in document else self._predict_tensors
        return predict_document(document, ignore_extra)

    def _predict_rows(self, document: Mapping[str, Any], ignore_extra: bool) -> InferenceResponse:
        feeds = decode_rows(document["rows"], self._columns, ignore_extra=ignore_extra)
        outputs = self.session.run(self._outputs, feeds)
        if self.signature.targets:
            results = format_target_predictions(outputs, self.signature)
        else:
            results = format_predictions(outputs, self.signature.classes, self._quantiles)
        body = {"model": self.model, "version": self.version, "predictions": results}
        return InferenceResponse(self.model, self.version, len(results), to_json(body))

    def _predict_tensors(self, document: Mapping[str, Any], ignore_extra: bool) -> InferenceResponse:
        identity = document.get("id")
        if not isinstance(identity, str | None):
            raise InvalidRequestError(f"id: text is expected, not {json_type(identity)}")
        chosen = select_outputs(document.get("outputs"), self._outputs)
        outputs = self.session.run(self._outputs, self._decode_tensors(document["inputs"], ignore_extra=ignore_extra))
        body: dict[str, Any] = {"model_name": self.model, "model_version": str(self.version)}
        if identity is not None:
            body["id"] = identity
        body["outputs"] = format_tensors(dict(zip(self._outputs, outputs, strict=True)), chosen)
        return InferenceResponse(self.model, self.version, len(outputs[0]), to_json(body))
