"""A loaded version of a model, which computes predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Signature
from pipeline.serving.formats.tensor_forms import ReadBody, ReadKnown
from pipeline.serving.metadata import model_metadata
from pipeline.serving.request_decoder import Feeds, RequestDecoder
from pipeline.serving.responses import (
    Prediction,
    PredictionWriter,
    format_predictions,
    max_response_rows,
    to_json,
)
from pipeline.serving.tensors import TensorDecoder

__all__ = ["InferenceSession", "LoadedModel", "Observer"]

_Reply = TypeVar("_Reply")
_GRAPH_ERRORS = (
    onnxruntime_pybind11_state.InvalidArgument,
    onnxruntime_pybind11_state.RuntimeException,
    onnxruntime_pybind11_state.Fail,
)
_OUT_OF_MEMORY = ("Failed to allocate memory", "bad_alloc", "BFCArena")


class InferenceSession(Protocol):
    """An onnxruntime.InferenceSession."""

    def run(self, output_names: Sequence[str] | None, input_feed: Feeds) -> list[NDArray[Any]]:
        """Run the graph.

        Args:
            output_names: Outputs to compute; None for all.
            input_feed: One array per input.
        """
        ...


class Observer(Protocol):
    """Measures predictions while a rollout runs."""

    def watch(self, model: LoadedModel, predict: Callable[[LoadedModel], Any]) -> Any:
        """Return the result of ``predict(model)``, and measure the call."""
        ...


class LoadedModel:
    """A version of a model with its onnxruntime session. Thread-safe.

    Attributes:
        decoder: Decodes rows and columns into feeds.
        decode_tensors: Decodes tensors of the Open Inference Protocol into feeds.
        outputs: Names of the graph's outputs.
        known_requests: Fast readers of binary requests with known headers, added by protocols.open_inference.
        known_bodies: Fast readers of JSON bodies of known forms, added by protocols.open_inference.
        plain_call: Parsed options of requests that have only ``inputs``, cached by protocols.open_inference.
        observer: Measures predictions while a rollout runs; None otherwise.

    Args:
        tenant: Tenant of the model.
        model: Name of the model.
        version: Number of the version.
        signature: Columns and outputs of the model.
        session: Runs the graph.
        file_bytes: Size of the model file.
    """

    observer: Observer | None = None

    def __init__(  # noqa: PLR0913 - fields of a version, all keyword-only
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
        self.decoder = RequestDecoder(signature, max_response_rows(signature))
        self.decode_tensors = TensorDecoder(self.decoder)
        self.outputs = list(signature.outputs)
        self.plain_call: Any = None
        self.known_requests: list[tuple[Any, ReadKnown]] = []
        self.known_bodies: list[tuple[Any, ReadBody]] = []
        self._write = PredictionWriter(signature)

    def respond(self, predict: Callable[[LoadedModel], _Reply]) -> _Reply:
        """Return the result of ``predict`` for this version; the observer of a running rollout measures the call."""
        return predict(self) if self.observer is None else self.observer.watch(self, predict)

    def facts(self, rows: int) -> dict[str, Any]:
        """Return facts to log about a prediction on ``rows`` rows."""
        return {"tenant": self.tenant, "model": self.model, "version": self.version, "rows": rows}

    def metadata(self, versions: Iterable[int]) -> dict[str, Any]:
        """Return the metadata in the Open Inference Protocol; ``versions`` are the model's callable versions."""
        return model_metadata(self.model, versions, self.signature)

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """Run the graph; return its outputs in the order of ``outputs``.

        Raises:
            InvalidRequestError: The graph fails on these values, although they match the signature. If memory runs out,
                onnxruntime's own error is raised.
        """
        try:
            return self.session.run(self.outputs, feeds)
        except _GRAPH_ERRORS as error:
            if any(sign in str(error) for sign in _OUT_OF_MEMORY):
                raise
            raise InvalidRequestError(_describe_refusal(feeds)) from error

    def predict(self, feeds: Feeds) -> list[Prediction]:
        """Run the graph; return one prediction per row, in the form of ``format_predictions``."""
        return format_predictions(self.run(feeds), self.signature)

    def predict_json(self, feeds: Feeds) -> tuple[bytes, int]:
        """Run the graph; return a JSON array of what ``predict`` returns, and its number of rows."""
        outputs = self.run(feeds)
        rows = len(outputs[0])
        if rows > 1:
            return b"[%b]" % self._write(outputs), rows
        return to_json(format_predictions(outputs, self.signature)), rows


def _describe_refusal(feeds: Feeds) -> str:
    """Describe the inputs that the graph cannot process, without their values."""
    rows = max((len(values) for values in feeds.values() if values.ndim), default=0)
    of_rows = f" of these {rows:,} rows" if rows > 1 else ""
    shapes = f" (inputs of shape {', '.join(str(list(v.shape)) for v in feeds.values())})" if len(feeds) <= 3 else ""
    return (
        f"the model's graph cannot be computed for the values{of_rows}{shapes}: values as in its training are expected"
    )
