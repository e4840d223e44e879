"""One version, loaded and ready to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Signature
from pipeline.serving.cells.errors import json_kind
from pipeline.serving.request_decoder import Columns, Feeds
from pipeline.serving.responses import chosen_outputs, most_rows, predictions, predictions_of_targets, tensors, to_json
from pipeline.serving.row_format import decode_rows
from pipeline.serving.tensors import TensorDecoder

__all__ = ["InferenceResponse", "InferenceSession", "LoadedModel"]


class InferenceSession(Protocol):
    """An onnxruntime.InferenceSession."""

    def run(self, output_names: Sequence[str] | None, input_feed: Feeds) -> list[NDArray[Any]]: ...


class InferenceResponse(NamedTuple):
    """``body`` is a JSON text; ``rows`` is how many predictions it holds."""

    model: str
    version: int
    rows: int
    body: str


class LoadedModel:
    """Answers as often as it is asked, from any thread."""

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
        self._columns = Columns(signature, most_rows(signature))
        self._decode_tensors = TensorDecoder(self._columns)
        self._outputs = list(signature.outputs)
        self._quantiles = signature.quantile_names

    def answer(self, document: Any, *, ignore_extra: bool = False) -> InferenceResponse:
        """Predict on a request's rows.

        Args:
            document: Its JSON: ``{"rows"}``, or ``{"inputs"}`` as the Open Inference Protocol has it.
            ignore_extra: Leave out columns that the model does not read.

        Raises:
            InvalidRequestError: It does not fit the signature: what is wrong, and where.
        """
        if type(document) is not dict:
            raise InvalidRequestError(f'an object with "rows" or "inputs" is expected, not {json_kind(document)}')
        if ("rows" in document) == ("inputs" in document):
            problem = "both are there" if "rows" in document else "neither is there"
            raise InvalidRequestError(f'either "rows" or "inputs" is expected, {problem}')
        of_its_form = self._of_rows if "rows" in document else self._of_tensors
        return of_its_form(document, ignore_extra)

    def _of_rows(self, document: Mapping[str, Any], ignore_extra: bool) -> InferenceResponse:
        feeds = decode_rows(document["rows"], self._columns, ignore_extra=ignore_extra)
        outputs = self.session.run(self._outputs, feeds)
        if self.signature.targets:
            results = predictions_of_targets(outputs, self.signature)
        else:
            results = predictions(outputs, self.signature.classes, self._quantiles)
        body = {"model": self.model, "version": self.version, "predictions": results}
        return InferenceResponse(self.model, self.version, len(results), to_json(body))

    def _of_tensors(self, document: Mapping[str, Any], ignore_extra: bool) -> InferenceResponse:
        identity = document.get("id")
        if not isinstance(identity, str | None):
            raise InvalidRequestError(f"id: text is expected, not {json_kind(identity)}")
        chosen = chosen_outputs(document.get("outputs"), self._outputs)
        outputs = self.session.run(self._outputs, self._decode_tensors(document["inputs"], ignore_extra=ignore_extra))
        body: dict[str, Any] = {"model_name": self.model, "model_version": str(self.version)}
        if identity is not None:
            body["id"] = identity
        body["outputs"] = tensors(dict(zip(self._outputs, outputs, strict=True)), chosen)
        return InferenceResponse(self.model, self.version, len(outputs[0]), to_json(body))
