"""Export the mean prediction of a bag's models. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from pipeline.training.algorithm import FittedModel

if TYPE_CHECKING:
    import onnx

__all__ = ["AverageableBody", "average_fitted_models"]


@runtime_checkable
class AverageableBody(Protocol):
    """A ``FittedModel.body`` that can export several models of its algorithm as one graph, cheaper than their own."""

    def __call__(self) -> onnx.ModelProto:
        """Export this model."""
        ...

    def average(self, bodies: Sequence[Self]) -> onnx.ModelProto | None:
        """Export the mean prediction of several models, this one among them.

        Returns:
            A body with the inputs of one model; None if these models have no common graph.
        """
        ...


def average_fitted_models(members: Sequence[FittedModel], *, classes: int) -> onnx.ModelProto:
    """Export the mean prediction of ``members`` as one body.

    Models of one algorithm share a graph if their bodies are averageable: all trees are one node, layers of networks
    are stacked. Other models keep a graph each, whose outputs are averaged.

    Args:
        members: Models of the same encoded columns, such as the fold models of a candidate; they have equal weights.
        classes: Number of classes; 0 for a regression.

    Returns:
        A body (graphs.served_graph): probabilities [batch, classes], or values [batch, 1 + quantiles].
    """
    from pipeline.graphs.blending import blend

    bodies = [member.body for member in members]
    if len(bodies) == 1:
        return bodies[0]()
    first = bodies[0]
    if isinstance(first, AverageableBody) and all(type(body) is type(first) for body in bodies):
        averaged = first.average(bodies)  # type: ignore[arg-type]  # of one type
        if averaged is not None:
            return averaged
    width = classes or 1 + len(members[0].quantiles)
    return blend([body() for body in bodies], [1 / len(bodies)] * len(bodies), classes=classes, width=width)
