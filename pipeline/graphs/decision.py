"""The decision in the graph: calibrated probabilities and the index of the label, by temperature and threshold."""

from __future__ import annotations

import numpy as np

from pipeline.contracts.signature import Signature
from pipeline.graphs.writer import NamedGraph

__all__ = ["add_decision", "clip_probabilities"]


def add_decision(graph: NamedGraph, signature: Signature, body_output: str, probabilities: str, label: str) -> None:
    """Add nodes equivalent to evaluation.decision.temperature.calibrate and evaluation.predictions.Predictions.of.

    Args:
        graph: The graph.
        signature: Temperature, threshold and positive class.
        body_output: Name of the body's probabilities, float [batch, classes].
        probabilities: Name of the output for calibrated probabilities, float [batch, classes].
        label: Name of the output for the index of each row's class, int64 [batch].
    """
    _calibrate(graph, signature.temperature, body_output, probabilities)
    if signature.threshold is None:
        graph.add_output("ArgMax", probabilities, output=label, axis=1, keepdims=0)
        return
    positive = graph.constant("positive", np.int64(signature.positive_index))
    negative = graph.constant("negative", np.int64(1 - signature.positive_index))
    threshold = graph.constant("threshold", np.float32(signature.threshold))
    of_positive = graph.add("Gather", probabilities, positive, name="of_positive", axis=1)
    is_positive = graph.add("GreaterOrEqual", of_positive, threshold, name="is_positive")
    graph.add_output("Where", is_positive, positive, negative, output=label)


def clip_probabilities(graph: NamedGraph, sums: str, probabilities: str) -> None:
    """Add a node that clips sums of float32 shares to [0, 1], which rounding may exceed by 1e-7; NaN stays NaN.

    Args:
        graph: The graph.
        sums: Name of the node's input.
        probabilities: Name of the node's output, which prefixes the names of its constants.
    """
    low = graph.constant(f"{probabilities}_low", np.float32(0))
    high = graph.constant(f"{probabilities}_high", np.float32(1))
    graph.add_output("Clip", sums, low, high, output=probabilities)


def _calibrate(graph: NamedGraph, temperature: float, body_output: str, probabilities: str) -> None:
    """Divide probabilities by the largest one, raise them to the power of 1 / temperature, and normalize."""
    if temperature == 1.0:
        graph.add_output("Identity", body_output, output=probabilities)
        return
    power, axis = graph.constant("power", np.float32(1 / temperature)), graph.constant("axis", np.array([1], np.int64))
    largest = graph.add("ReduceMax", body_output, axis, name="largest", keepdims=1)
    relative = graph.add("Div", body_output, largest, name="relative")
    scaled = graph.add("Pow", relative, power, name="scaled")
    total = graph.add("ReduceSum", scaled, axis, name="sum", keepdims=1)
    graph.add_output("Div", scaled, total, output=probabilities)
