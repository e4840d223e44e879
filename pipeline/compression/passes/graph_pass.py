"""The interface of a compression step: a pass over a graph that says what it requires, does and ensures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

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
    """A pass over a graph: ``requires``, then ``call``, then ``ensures``; each raises its kind of CompressionError."""

    def __call__(self, model: bytes) -> PassResult:
        """Apply the pass to a serialized model."""
        self.requires(model)
        result = self.call(model)
        self.ensures(result.model)
        return result

    @abstractmethod
    def requires(self, model: bytes) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: There is nothing to do, or something keeps the pass from it.
        """

    @abstractmethod
    def call(self, model: bytes) -> PassResult:
        """Return the changed model; ``requires`` has passed."""

    @abstractmethod
    def ensures(self, model: bytes) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: The result is not what it promises.
        """


def apply_if_applicable(step: GraphPass, model: bytes) -> bytes:
    """Apply a pass; return the model itself if the pass does not apply to it."""
    try:
        return step(model).model
    except NotApplicableError:
        return model
