"""The graph of a bag: the mean of what its models answer. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from pipeline.training.algorithm import FittedModel

if TYPE_CHECKING:
    import onnx

__all__ = ["AverageableBody", "average_fitted_models"]


@runtime_checkable
class AverageableBody(Protocol):
    """What ``FittedModel.body`` is where several models of one algorithm have a graph that is cheaper than theirs."""

    def __call__(self) -> onnx.ModelProto:
        """Export the one model."""
        ...

    def average(self, bodies: Sequence[Self]) -> onnx.ModelProto | None:
        """Export the mean of what ``bodies``, this one among them, answer.

        Returns:
            A body with the inputs of the one model; None where these models have no common graph.
        """
        ...


def average_fitted_models(members: Sequence[FittedModel], *, classes: int) -> onnx.ModelProto:
    """Export the mean of what ``members`` answer as one body.

    Models of one algorithm share a graph where their bodies are averageable: the trees of all of them are one node, the
    layers of networks are stacked. Others are graphs side by side.

    Args:
        members: models of the same rows, such as the fold models of a candidate; each counts the same.
        classes: how many classes their probabilities are of; 0: values.

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
