"""A loaded version, which predicts."""

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
        """Return what ``predict`` returns for the model."""
        ...


class LoadedModel:
    """A version with its session. Thread-safe.

    Attributes:
        decoder: Decodes rows and columns into feeds.
        decode_tensors: Decodes tensors of the Open Inference Protocol into feeds.
        outputs: Names of the graph's outputs.
        known_requests: Readers of binary requests whose headers protocols.open_inference remembers.
        known_bodies: The same of JSON bodies.
        plain_call: What requests of the Open Inference Protocol without options ask for, which it remembers.
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
        self.decoder = RequestDecoder(signature, max_response_rows(signature))
        self.decode_tensors = TensorDecoder(self.decoder)
        self.outputs = list(signature.outputs)
        self.plain_call: Any = None
        self.known_requests: list[tuple[Any, ReadKnown]] = []
        self.known_bodies: list[tuple[Any, ReadBody]] = []
        self._write = PredictionWriter(signature)

    def respond(self, predict: Callable[[LoadedModel], _Reply]) -> _Reply:
        """Return what ``predict`` returns for this version; while a rollout runs, it is measured."""
        return predict(self) if self.observer is None else self.observer.watch(self, predict)

    def facts(self, rows: int) -> dict[str, Any]:
        """Return what may be logged about a prediction on ``rows`` rows."""
        return {"tenant": self.tenant, "model": self.model, "version": self.version, "rows": rows}

    def metadata(self, versions: Iterable[int]) -> dict[str, Any]:
        """Return the Open Inference Protocol's metadata; ``versions`` are those of the model that can be called."""
        return model_metadata(self.model, versions, self.signature)

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """Run the graph; return its outputs in the order of ``outputs``.

        Raises:
            InvalidRequestError: The graph fails on these values, which match its signature. Memory that is not there is
                no reason: that error is onnxruntime's.
        """
        try:
            return self.session.run(self.outputs, feeds)
        except _GRAPH_ERRORS as error:
            if any(sign in str(error) for sign in _OUT_OF_MEMORY):
                raise
            raise InvalidRequestError(_describe_refusal(feeds)) from error

    def predict(self, feeds: Feeds) -> list[Prediction]:
        """Run the graph; return one prediction per row, as ``format_predictions`` describes it."""
        return format_predictions(self.run(feeds), self.signature)

    def predict_json(self, feeds: Feeds) -> tuple[bytes, int]:
        """Run the graph; return a JSON array of what ``predict`` returns, and its number of rows."""
        outputs = self.run(feeds)
        rows = len(outputs[0])
        if rows > 1:
            return b"[%b]" % self._write(outputs), rows
        return to_json(format_predictions(outputs, self.signature)), rows


def _describe_refusal(feeds: Feeds) -> str:
    """Say what the graph refused, without a value of it."""
    rows = max((len(values) for values in feeds.values() if values.ndim), default=0)
    of_rows = f" of these {rows:,} rows" if rows > 1 else ""
    shapes = f" (inputs of shape {', '.join(str(list(v.shape)) for v in feeds.values())})" if len(feeds) <= 3 else ""
    return (
        f"the model's graph cannot be computed for the values{of_rows}{shapes}: values as in its training are expected"
    )
