"""The interface of a compression step: a pass over a graph that says what it requires, does and ensures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import onnx

from pipeline.contracts.errors import NotApplicableError

__all__ = ["GraphPass", "PassResult", "apply_if_applicable"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PassResult:
    """The result of a pass.

    Attributes:
        model: The changed graph, serialized: the bytes that are measured are those that are served.
        pruned_columns: Columns of the table that the graph no longer reads.
    """

    model: bytes
    pruned_columns: tuple[str, ...] = ()


class GraphPass(ABC):
    """A pass over a graph: ``requires``, then ``call``, then ``ensures``; each raises its kind of CompressionError.

    Each of the three methods receives its own parsed copy of the model, which it may change.
    """

    def __call__(self, model: bytes) -> PassResult:
        """Apply the pass to a serialized model."""
        self.requires(onnx.load_from_string(model))
        changed = bytes(self.call(onnx.load_from_string(model)).SerializeToString())
        self.ensures(onnx.load_from_string(changed))
        return PassResult(model=changed, pruned_columns=self.pruned_columns)

    @property
    def pruned_columns(self) -> tuple[str, ...]:
        """Columns of the table that the changed graph no longer reads."""
        return ()

    @abstractmethod
    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: There is nothing to do, or something prevents the pass.
        """

    @abstractmethod
    def call(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Return the changed model; ``requires`` has passed."""

    @abstractmethod
    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: The result is not what the pass promises.
        """


def apply_if_applicable(step: GraphPass, model: bytes) -> bytes:
    """Apply a pass; return the model itself if the pass does not apply to it."""
    try:
        return step(model).model
    except NotApplicableError:
        return model
